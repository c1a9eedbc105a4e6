// SPDX-License-Identifier: Apache-2.0
#include "config/key_file_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "config/reader.hpp"

namespace espalier::config {
namespace {

constexpr std::int64_t kFormat = 1;
constexpr std::size_t kIdDigits = 32;
constexpr std::string_view kSecretKeys[] = {"cipher_key", "salt", "integrity_key"};
constexpr std::string_view kFirstWords = "# One-time keys of Espalier";
constexpr std::size_t kHeaderRoom = 1024;
constexpr std::size_t kEntryRoom = 256;  // of one SA, without names and keys

// Writing

void append_key(SourceText& text, std::string_view name, const SecretBytes& key) {
  if (key.empty()) return;
  text.append(fmt::format("{} = \"", name));
  for (const std::uint8_t byte : key.view()) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    const char pair[] = {kDigits[byte >> 4U], kDigits[byte & 15U]};
    text.append({pair, 2});
  }
  text.append("\"\n");
}

std::size_t room_for(const KeyFileEntry& sa) {
  return kEntryRoom + sa.tunnel->size() +
         2 * (sa.keys->cipher.size() + sa.keys->salt.size() + sa.keys->integrity.size());
}

// Reading

struct SaDraft {
  OneTimeKeys sa;
  const TransformInfo* transform = nullptr;
};

struct KeyFileDraft {
  KeyFile file;
  std::optional<std::int64_t> count;
};

constexpr Choice<Direction> kDirections[] = {{"outbound", Direction::outbound},
                                             {"inbound", Direction::inbound}};
constexpr std::string_view kKeyWords = "hex digits";

void read_key(const Item& item, SecretBytes& into) {
  auto& kept = item.context.document.secrets;
  const auto text = kept.find(item.node.at);
  if (text == kept.end()) {
    item.reject();
    return;
  }
  const auto bytes = text->second.view();
  auto key = SecretBytes::from_hex(item.context.secrets,
                                   {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  kept.erase(text);
  if (key)
    into = std::move(*key);
  else
    item.error(fmt::format("'{}': {}", item.key, key.error().message));
}

constexpr Field<SaDraft> kSa[] = {
    {"tunnel", "the name of a tunnel",
     [](const Item& item, SaDraft& draft) { draft.sa.tunnel = as_name(item).value_or(""); }, true},
    {"direction", "\"outbound\" or \"inbound\"",
     [](const Item& item, SaDraft& draft) {
       draft.sa.direction = as_choice(item, kDirections).value_or(Direction::outbound);
     },
     true},
    {"spi", "a number from 256 to 0xffffffff",
     [](const Item& item, SaDraft& draft) {
       draft.sa.spi = static_cast<std::uint32_t>(as_integer(item, kMinSpi, 0xffffffff).value_or(0));
     },
     true},
    {"transform", "a transform",
     [](const Item& item, SaDraft& draft) {
       draft.transform = as_transform(item).value_or(nullptr);
     },
     true},
    {"cipher_key", kKeyWords,
     [](const Item& item, SaDraft& draft) { read_key(item, draft.sa.keys.cipher); }},
    {"salt", kKeyWords,
     [](const Item& item, SaDraft& draft) { read_key(item, draft.sa.keys.salt); }},
    {"integrity_key", kKeyWords,
     [](const Item& item, SaDraft& draft) { read_key(item, draft.sa.keys.integrity); }},
};

void read_sas(const Item& item, KeyFileDraft& draft) {
  std::set<std::pair<std::string, Direction>> seen;
  for (const Item& one : as_list(item)) {
    const auto table = as_table(one, "[[sa]]");
    if (!table) continue;
    SaDraft sa;
    read_table(*table, kSa, sa);
    if (!sa.transform) continue;
    const SaKeys& keys = sa.sa.keys;
    if (keys.cipher.size() != sa.transform->cipher_key_bytes ||
        keys.salt.size() != sa.transform->salt_bytes ||
        keys.integrity.size() != sa.transform->integrity_key_bytes)
      one.error(fmt::format("a key of tunnel '{}' has the wrong length for {}", sa.sa.tunnel,
                            sa.transform->name));
    if (!seen.emplace(sa.sa.tunnel, sa.sa.direction).second)
      one.error(fmt::format("there are two {} SAs of tunnel '{}'", to_string(sa.sa.direction),
                            sa.sa.tunnel));
    sa.sa.transform = sa.transform->transform;
    draft.file.sas.push_back(std::move(sa.sa));
  }
}

bool is_id(std::string_view text) {
  return text.size() == kIdDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// A file of write_key_file() that ends in the middle of a line, or before its first SA.
bool is_cut_off(std::string_view text) {
  const bool ours = text.starts_with(kFirstWords) || kFirstWords.starts_with(text);
  return ours && (!text.ends_with('\n') || !text.contains("\n[[sa]]\n"));
}

constexpr Field<KeyFileDraft> kRoot[] = {
    {"format", "1", [](const Item& item, KeyFileDraft&) { as_integer(item, kFormat, kFormat); },
     true},
    {"id", "32 hex digits",
     [](const Item& item, KeyFileDraft& draft) {
       draft.file.id = as_string(item).value_or("");
       if (item.node.as<std::string>() && !is_id(draft.file.id)) item.reject();
     },
     true},
    {"site", "the name of a site",
     [](const Item& item, KeyFileDraft& draft) { draft.file.site = as_name(item).value_or(""); },
     true},
    {"count", "the number of [[sa]] tables",
     [](const Item& item, KeyFileDraft& draft) { draft.count = as_integer(item, 1, 1LL << 32); },
     true},
    {"sa", "tables [[sa]]", read_sas, true},
};

}  // namespace

SourceText write_key_file(const std::string& id, const std::string& site,
                          const std::vector<KeyFileEntry>& sas) {
  std::size_t room = kHeaderRoom;
  for (const KeyFileEntry& sa : sas) room += room_for(sa);
  SourceText text(room);
  text.append(fmt::format(
      "{} for the site '{}': secret, and good for one run.\n"
      "# 'espalier run' claims them, and renames this file so that no second run can\n"
      "# use them: a run with a copy, under another --state, would lay the traffic open. Bring it "
      "to\n"
      "# the machine that it is for, alone; a copy may serve 'espalier esp decrypt', which\n"
      "# only reads, and is as secret.\n"
      "format = {}\nid = \"{}\"\nsite = \"{}\"\ncount = {}\n",
      kFirstWords, site, kFormat, id, site, sas.size()));
  for (const KeyFileEntry& sa : sas) {
    text.append(fmt::format(
        "\n[[sa]]\ntunnel = \"{}\"\ndirection = \"{}\"\nspi = {:#010x}\ntransform = \"{}\"\n",
        *sa.tunnel, to_string(sa.direction), sa.spi, to_string(sa.transform)));
    append_key(text, "cipher_key", sa.keys->cipher);
    append_key(text, "salt", sa.keys->salt);
    append_key(text, "integrity_key", sa.keys->integrity);
  }
  return text;
}

Result<KeyFile> read_key_file(SourceText& text, const std::filesystem::path& file,
                              SecretPool& secrets) {
  const std::size_t bytes = text.view().size();
  const bool cut_off = is_cut_off(text.view());
  Findings findings;
  const std::uint32_t index = findings.add_file(file);
  Document document = read_document(text, index, kSecretKeys, secrets, findings);
  Context context{findings, secrets, document, file.parent_path()};
  const Table root = std::move(document.root);
  KeyFileDraft draft;
  read_table(TableView{context, "the key file", {index, 1, 1}, root}, kRoot, draft);
  const auto count = static_cast<std::int64_t>(draft.file.sas.size());
  if (!findings.has_errors() && draft.count && *draft.count != count)
    findings.error({index, 1, 1},
                   fmt::format("it has {} of {} SAs: the rest is missing", count, *draft.count));
  if (!findings.has_errors()) {
    std::ranges::sort(draft.file.sas, {}, sa_of);
    return std::move(draft.file);
  }
  if (cut_off)
    return fail(ErrorCode::invalid,
                fmt::format("{} is cut off after {} bytes: bring the whole file once more, or make "
                            "new ones with 'espalier keygen'",
                            file.string(), bytes));
  return fail(ErrorCode::invalid,
              fmt::format("not a one-time key file, or a damaged one: {}; make new ones with "
                          "'espalier keygen'",
                          to_string(findings.in_order().front())));
}

}  // namespace espalier::config
