// Tokens added to the model's vocabulary: found in the text before the model sees it.
#include "engine/text/added_tokens.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/error.h"
#include "engine/base/utf8.h"
#include "engine/text/unicode.h"

namespace moe {
namespace {

bool is_word(char32_t c) { return (unicode::table()[c] & unicode::rust_word) != 0; }

}  // namespace

void TokenTrie::add(std::string_view text, std::int32_t id) {
  if (text.empty()) return;
  std::uint32_t node = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    auto& children = nodes_[node].children;
    const auto it = std::lower_bound(children.begin(), children.end(), byte,
                                     [](const auto& child, unsigned char b) { return child.first < b; });
    if (it != children.end() && it->first == byte) {
      node = it->second;
      continue;
    }
    const auto fresh = static_cast<std::uint32_t>(nodes_.size());
    children.insert(it, {byte, fresh});
    if (node == 0) roots_[byte] = fresh;
    nodes_.emplace_back();
    node = fresh;
  }
  nodes_[node].id = id;
}

bool TokenTrie::find(std::string_view text, std::size_t from, std::size_t& start, std::size_t& end,
                     std::int32_t& id) const noexcept {
  for (start = from; start < text.size(); ++start) {
    std::uint32_t node = roots_[static_cast<unsigned char>(text[start])];
    if (node == 0) continue;
    id = -1;
    for (std::size_t at = start + 1;; ++at) {
      if (nodes_[node].id >= 0) id = nodes_[node].id, end = at;
      if (at >= text.size()) break;
      const auto byte = static_cast<unsigned char>(text[at]);
      const auto& children = nodes_[node].children;
      const auto it = std::lower_bound(children.begin(), children.end(), byte,
                                       [](const auto& child, unsigned char b) { return child.first < b; });
      if (it == children.end() || it->first != byte) break;
      node = it->second;
    }
    if (id >= 0) return true;
  }
  return false;
}

void AddedTokens::add(const AddedToken& token, const Vocab& model) {
  if (token.content.empty()) return;
  const auto known = ids_.find(token.content);
  if (known != ids_.end() && tokens_.at(known->second) == token) return;
  std::int32_t id;
  if (known != ids_.end()) {
    id = known->second;
  } else if (id = model.find(token.content); id < 0) {
    if (next_id_ < 0) next_id_ = static_cast<std::int32_t>(model.size());
    id = next_id_++;
  }
  ids_[token.content] = id;
  if (token.special) special_[token.content] = true;
  tokens_[id] = token;
  id_end_ = std::max(id_end_, id + 1);
}

void AddedTokens::build(const Normalizer& normalizer, std::string_view file) {
  for (const auto& [id, token] : tokens_) {
    std::string text = token.content;
    if (token.normalized && !normalizer.empty()) {
      std::size_t zero = 0;
      normalizer.apply(text, zero);
      if (text != token.content) normalized_text_[id] = text;
    }
    if (text.size() > TokenTrie::max_length)
      throw Error(ErrorKind::limit, Fault{std::string(file), fmt::format("added token {}", id),
                                          fmt::format("at most {} bytes", TokenTrie::max_length),
                                          fmt::format("{} bytes", text.size())});
    (token.normalized ? normalized_trie_ : plain_trie_).add(text, id);
  }
}

void AddedTokens::split(std::string_view text, bool normalized,
                        const std::function<void(const Found&)>& visit) const {
  const TokenTrie& trie = normalized ? normalized_trie_ : plain_trie_;
  std::size_t done = 0, from = 0, start, end;
  std::int32_t id;
  while (trie.find(text, from, start, end, id)) {
    from = end;
    const AddedToken& token = tokens_.at(id);
    if (token.single_word) {
      std::size_t before = start, after = end;
      if (start > 0 && is_word(utf8::previous(text, before))) continue;
      if (end < text.size() && is_word(utf8::next(text, after))) continue;
    }
    if (token.lstrip) {
      // Spaces that an earlier token has taken stay its own.
      while (start > 0) {
        std::size_t before = start;
        if (!unicode::is_white_space(utf8::previous(text, before))) break;
        start = before;
      }
      start = std::max(start, done);
    }
    if (token.rstrip) {
      while (end < text.size()) {
        std::size_t after = end;
        if (!unicode::is_white_space(utf8::next(text, after))) break;
        end = after;
      }
    }
    if (done < start) visit({done, start, -1});
    visit({start, end, id});
    done = end;
  }
  if (done < text.size()) visit({done, text.size(), -1});
}

const AddedToken* AddedTokens::token(std::int32_t id) const {
  const auto it = tokens_.find(id);
  return it == tokens_.end() ? nullptr : &it->second;
}

std::string_view AddedTokens::decoded(std::int32_t id) const {
  const auto it = normalized_text_.find(id);
  if (it != normalized_text_.end()) return it->second;
  const AddedToken* known = token(id);
  return known ? std::string_view(known->content) : std::string_view();
}

std::size_t AddedTokens::count_beyond(const Vocab& model) const {
  return static_cast<std::size_t>(std::count_if(
      ids_.begin(), ids_.end(), [&](const auto& entry) { return model.find(entry.first) < 0; }));
}

std::int32_t AddedTokens::find(std::string_view content) const {
  const auto it = ids_.find(std::string(content));
  return it == ids_.end() ? -1 : it->second;
}

}  // namespace moe
