// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/key_file.hpp>

#include "config/source_text.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace espalier::config {

// Which SA the keys are for.
inline std::pair<std::string_view, Direction> sa_of(const OneTimeKeys& keys) {
  return {keys.tunnel, keys.direction};
}

// What a one-time key file says.
struct KeyFile {
  std::string id;                // 32 hex digits; each file has its own
  std::string site;              // whose file it is
  std::vector<OneTimeKeys> sas;  // in the order of sa_of()
};

// One SA to be written; refers to keys of another owner.
struct KeyFileEntry {
  const std::string* tunnel;
  Direction direction;
  std::uint32_t spi;
  Transform transform;
  const SaKeys* keys;
};

SourceText write_key_file(const std::string& id, const std::string& site,
                          const std::vector<KeyFileEntry>& sas);

// Takes the secrets out of `text`. `file` is for sentences.
Result<KeyFile> read_key_file(SourceText& text, const std::filesystem::path& file,
                              SecretPool& secrets);

}  // namespace espalier::config
