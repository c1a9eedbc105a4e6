// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/secret.hpp>

#include "config/findings.hpp"
#include "config/source_text.hpp"
#include "config/toml_tree.hpp"

#include <map>
#include <span>
#include <string_view>

namespace espalier::config {

// One file as TOML. Values of secret keys ("cipher_key = ...") never reach the tree nor the TOML
// parser, whose buffers nobody wipes: they are taken out of the text first and kept by position.
struct Document {
  Table root;
  std::map<Position, SecretBytes> secrets;  // text as written, without quotes
  bool complete = true;                     // false: parts were skipped behind syntax errors
};

// Reads `text`, which loses its secrets, and goes on behind syntax errors.
Document read_document(SourceText& text, std::uint32_t file,
                       std::span<const std::string_view> secret_keys, SecretPool& pool,
                       Findings& findings);

}  // namespace espalier::config
