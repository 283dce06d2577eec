// Layouts of llama2.c checkpoints.
#include "engine/convert/llama2c.h"

#include <fmt/format.h>

#include <cstring>

#include "engine/base/error.h"

namespace moe {
namespace {

constexpr std::uint32_t kMagic = 0x616b3432;  // "ak42"
constexpr std::uint64_t kHeaderBytes = 256;   // of versions 1 and 2
constexpr std::uint64_t kLegacyBytes = 28;

[[noreturn]] void fail(const std::string& file, std::string thing, std::string expected, std::string found,
                       ErrorKind kind = ErrorKind::format) {
  throw Error(kind, Fault{file, std::move(thing), std::move(expected), std::move(found)});
}

std::int32_t int_at(std::span<const std::byte> bytes, std::uint64_t at) {
  std::int32_t value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

// What one tensor group of the file is: `count` matrices (one a layer) of `rows` x `columns`.
struct Group {
  const char* name;  // with {} for the layer; nullptr for what is skipped
  std::int64_t count = 1;
  std::int64_t rows = 1;
  std::int64_t columns = 1;
  bool vector = false;         // of `columns` elements
  std::int64_t head_rows = 0;  // rows of each head are interleaved pairs
  bool quantised = false;

  std::uint64_t elements() const {
    return static_cast<std::uint64_t>(rows) * static_cast<std::uint64_t>(columns);
  }
  std::uint64_t bytes(std::int64_t group) const {
    const std::uint64_t each =
        quantised ? elements() + elements() / static_cast<std::uint64_t>(group) * 4 : elements() * 4;
    return each * static_cast<std::uint64_t>(count);
  }
};

// All groups in the order of the file.
std::vector<Group> groups_of(const Llama2cHeader& h) {
  const std::int64_t dim = h.hidden / h.heads;
  const std::int64_t kv = dim * h.kv_heads;
  const bool q = h.version == 2;
  const Group embedding{"model.embed_tokens.weight", 1, h.vocabulary, h.hidden, false, 0, q};
  const Group attention_norm{"model.layers.{}.input_layernorm.weight", h.layers, 1, h.hidden, true, 0, false};
  const Group query{"model.layers.{}.self_attn.q_proj.weight", h.layers, h.hidden, h.hidden, false, dim, q};
  const Group key{"model.layers.{}.self_attn.k_proj.weight", h.layers, kv, h.hidden, false, dim, q};
  const Group value{"model.layers.{}.self_attn.v_proj.weight", h.layers, kv, h.hidden, false, 0, q};
  const Group output{"model.layers.{}.self_attn.o_proj.weight", h.layers, h.hidden, h.hidden, false, 0, q};
  const Group mlp_norm{
      "model.layers.{}.post_attention_layernorm.weight", h.layers, 1, h.hidden, true, 0, false};
  const Group gate{"model.layers.{}.mlp.gate_proj.weight", h.layers, h.intermediate, h.hidden, false, 0, q};
  const Group down{"model.layers.{}.mlp.down_proj.weight", h.layers, h.hidden, h.intermediate, false, 0, q};
  const Group up{"model.layers.{}.mlp.up_proj.weight", h.layers, h.intermediate, h.hidden, false, 0, q};
  const Group norm{"model.norm.weight", 1, 1, h.hidden, true, 0, false};
  const Group rotation{nullptr, 2, h.context, dim / 2,
                       false,   0, false};  // cosines and sines, computed anew anyway
  const Group head{"lm_head.weight", 1, h.vocabulary, h.hidden, false, 0, q};
  std::vector<Group> out;
  if (h.version == 0) {
    out = {embedding, attention_norm, query, key, value, output, mlp_norm, gate, down, up, norm, rotation};
  } else {
    out = {attention_norm, mlp_norm, norm, embedding, query, key, value, output, gate, down, up};
  }
  if (!h.tied) out.push_back(head);
  return out;
}

Llama2cHeader parse_header(std::span<const std::byte> bytes, const std::string& file) {
  if (bytes.size() < kLegacyBytes) {
    fail(file, "header", fmt::format("at least {} bytes", kLegacyBytes), std::to_string(bytes.size()));
  }
  Llama2cHeader out;
  std::uint64_t at = 0;
  if (static_cast<std::uint32_t>(int_at(bytes, 0)) == kMagic) {
    if (bytes.size() < kHeaderBytes) {
      fail(file, "header", fmt::format("{} bytes", kHeaderBytes), std::to_string(bytes.size()));
    }
    out.version = int_at(bytes, 4);
    if (out.version != 1 && out.version != 2) {
      fail(file, "version", "0, 1 or 2", std::to_string(out.version), ErrorKind::unsupported);
    }
    at = 8;
  }
  const auto next = [&](const char* thing) {
    const std::int64_t value = int_at(bytes, at);
    at += 4;
    const bool sign_says_untied = out.version == 0 && std::strcmp(thing, "vocabulary size") == 0;
    const std::int64_t size = sign_says_untied && value < 0 ? -value : value;
    if (size <= 0 || size > (std::int64_t{1} << 24)) {
      fail(file, thing, "a size from 1 to 2^24 (is this a llama2.c checkpoint?)", std::to_string(value));
    }
    return value;
  };
  out.hidden = next("hidden size");
  out.intermediate = next("intermediate size");
  out.layers = next("number of layers");
  out.heads = next("number of heads");
  out.kv_heads = next("number of key and value heads");
  const std::int64_t vocabulary = next("vocabulary size");
  out.context = next("context length");
  out.vocabulary = vocabulary < 0 ? -vocabulary : vocabulary;
  out.tied = vocabulary > 0;
  out.data_at = kLegacyBytes;
  if (out.version != 0) {
    const int shared = std::to_integer<int>(bytes[at]);
    if (shared > 1) fail(file, "flag of a shared classifier", "0 or 1", std::to_string(shared));
    out.tied = shared == 1;
    out.data_at = kHeaderBytes;
    if (out.version == 2) out.group = int_at(bytes, at + 1);
  }
  return out;
}

void check_shape(const Llama2cHeader& h, const std::string& file) {
  if (h.layers > 10000) fail(file, "number of layers", "at most 10000", std::to_string(h.layers));
  if (h.hidden % h.heads != 0 || h.hidden / h.heads % 2 != 0) {
    fail(file, "number of heads", fmt::format("a number that cuts {} into even head sizes", h.hidden),
         std::to_string(h.heads));
  }
  if (h.heads % h.kv_heads != 0) {
    fail(file, "number of key and value heads", fmt::format("a divisor of {}", h.heads),
         std::to_string(h.kv_heads));
  }
  if (h.version != 2) return;
  const std::int64_t kv = h.hidden / h.heads * h.kv_heads;
  for (const std::int64_t columns : {h.hidden, h.intermediate}) {
    // Groups run along the flat matrix; whole groups a row are what the exporter writes.
    if (h.group <= 0 || columns % h.group != 0 || (kv * h.hidden) % h.group != 0) {
      fail(file, "group size", fmt::format("a divisor of {}", columns), std::to_string(h.group));
    }
  }
}

}  // namespace

Llama2cHeader read_llama2c_header(std::span<const std::byte> bytes, const std::string& file) {
  const Llama2cHeader header = parse_header(bytes, file);
  check_shape(header, file);
  std::uint64_t expected = header.data_at;
  for (const Group& group : groups_of(header)) {
    // Sizes are below 2^24 each, so that a group is below 2^66 at worst: watch the sum.
    const long double size = static_cast<long double>(group.rows) * static_cast<long double>(group.columns) *
                             static_cast<long double>(group.count) * 4.0L;
    if (size > 1e15L) fail(file, "size of the weights", "at most 10^15 bytes", fmt::format("{:.3g}", size));
    expected += group.bytes(header.group);
  }
  if (expected != bytes.size()) {
    fail(file, "file size", fmt::format("{} bytes, as its header implies", expected),
         std::to_string(bytes.size()));
  }
  return header;
}

std::vector<ImageTensor> llama2c_tensors(std::span<const std::byte> bytes, const Llama2cHeader& header) {
  std::vector<ImageTensor> out;
  const std::byte* at = bytes.data() + header.data_at;
  for (const Group& group : groups_of(header)) {
    for (std::int64_t layer = 0; layer < group.count; ++layer) {
      const std::byte* data = at;
      at += group.bytes(header.group) / static_cast<std::uint64_t>(group.count);
      if (group.name == nullptr) continue;
      ImageTensor tensor;
      tensor.name = fmt::format(fmt::runtime(group.name), layer);
      tensor.shape = group.vector ? std::vector<std::int64_t>{group.columns}
                                  : std::vector<std::int64_t>{group.rows, group.columns};
      tensor.read = [group, data, per_scale = header.group](std::int64_t first, std::int64_t count,
                                                            float* to) {
        const std::byte* scales = data + group.elements();
        for (std::int64_t row = first; row < first + count; ++row, to += group.columns) {
          std::int64_t source = row;
          if (group.head_rows != 0) {
            // Pairs (0, d/2), (1, d/2 + 1), ... lie together in the file; halves lie together in the output.
            const std::int64_t half = group.head_rows / 2;
            const std::int64_t in_head = row % group.head_rows;
            source = row - in_head + in_head % half * 2 + in_head / half;
          }
          const std::int64_t start = source * group.columns;
          if (!group.quantised) {
            std::memcpy(to, data + start * 4, static_cast<std::size_t>(group.columns) * 4);
            continue;
          }
          for (std::int64_t i = 0; i < group.columns; ++i) {
            float scale = 0;
            std::memcpy(&scale, scales + (start + i) / per_scale * 4, sizeof scale);
            to[i] = static_cast<float>(static_cast<std::int8_t>(data[start + i])) * scale;
          }
        }
      };
      out.push_back(std::move(tensor));
    }
  }
  return out;
}

}  // namespace moe
