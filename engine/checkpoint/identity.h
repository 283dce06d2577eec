// What a model's files are: a hash of their contents, and a cheap sign that they have not changed.
#pragma once

#include <filesystem>
#include <string>

#include "engine/checkpoint/checkpoint.h"

namespace moe {

// 32 hexadecimal digits over the names and contents of config.json (if there is one), the index and all
// weight files. The same for the same files on any machine, with any number of threads. Reads every byte
// (several GB/s a core from memory) without growing resident memory. Errors: io.
std::string checkpoint_hash(const Checkpoint& checkpoint, unsigned threads = 1);

// 32 hexadecimal digits over the names, sizes and times of last change (st_mtime and st_ctime) of the same
// files and over the contents of config.json, the index and the weight files' headers. While it stays the
// same, a stored checkpoint_hash may be used again: writing to a file, or putting another in its place,
// changes st_ctime, whatever other times are set. Valid on one machine only. Errors: io.
std::string checkpoint_stamp(const Checkpoint& checkpoint);

// checkpoint_hash, without reading the weights where `folder` keeps it for the checkpoint's present stamp;
// else it is kept there from now on, if that can be done. An empty `folder` keeps nothing. Errors: io (of the
// checkpoint's files).
std::string kept_checkpoint_hash(const Checkpoint& checkpoint, const std::filesystem::path& folder,
                                 unsigned threads = 1);

}  // namespace moe
