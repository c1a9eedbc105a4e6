// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "config/draft.hpp"
#include "config/table_keys.hpp"

namespace espalier::config {
namespace {

constexpr Choice<Encapsulation> kEncapsulations[] = {{"udp", Encapsulation::udp},
                                                     {"none", Encapsulation::none}};
constexpr Choice<Mode> kModes[] = {{"tunnel", Mode::tunnel}, {"transport", Mode::transport}};

// Key material

constexpr std::string_view kKeyWords =
    "hex digits, or { env = \"NAME\" }, or { file = \"PATH\" } that holds them";

std::string_view as_text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Hex digits, perhaps with space around them. `source` is for the sentence.
std::optional<Located<SecretBytes>> from_hex(const Item& item, std::string_view hex,
                                             std::string_view source) {
  constexpr std::string_view kSpace = " \t\r\n";
  hex.remove_prefix(std::min(hex.find_first_not_of(kSpace), hex.size()));
  hex = hex.substr(0, hex.find_last_not_of(kSpace) + 1);
  auto bytes = SecretBytes::from_hex(item.context.secrets, hex);
  if (bytes) return Located<SecretBytes>{std::move(*bytes), item.node.at};
  item.error(fmt::format("'{}'{}: {}", item.key, source, bytes.error().message));
  return std::nullopt;
}

struct KeySource {
  std::optional<Located<std::string>> environment;
  std::optional<Located<std::filesystem::path>> file;
};

constexpr Field<KeySource> kKeySource[] = {
    {"env", "the name of an environment variable",
     [](const Item& item, KeySource& source) {
       if (auto name = as_free_text(item)) source.environment = {*name, item.node.at};
     }},
    {"file", "the path of a file with mode 0600",
     [](const Item& item, KeySource& source) {
       if (auto path = as_path(item)) source.file = {*path, item.node.at};
     }},
};

std::optional<Located<SecretBytes>> from_environment(const Item& item, const std::string& name) {
  if (const char* value = std::getenv(name.c_str()))
    return from_hex(item, value, fmt::format(" from the environment variable {}", name));
  item.error(fmt::format("'{}': the environment variable {} is not set", item.key, name));
  return std::nullopt;
}

std::optional<Located<SecretBytes>> from_file(const Item& item, const std::filesystem::path& file) {
  auto opened = open_secret_file(file, Owner::caller_or_root);
  auto text = opened ? read_all(*opened, file)
                     : Result<SourceText>(std::unexpected(std::move(opened.error())));
  if (text) return from_hex(item, text->view(), fmt::format(" from {}", file.string()));
  item.error(fmt::format("'{}': {}", item.key, text.error().message));
  return std::nullopt;
}

std::optional<Located<SecretBytes>> read_key(const Item& item) {
  auto& secrets = item.context.document.secrets;
  if (const auto inline_key = secrets.find(item.node.at); inline_key != secrets.end()) {
    auto key = from_hex(item, as_text(inline_key->second.view()), "");
    secrets.erase(inline_key);
    return key;
  }
  const auto table = as_table(item, fmt::format("'{}'", item.key));
  if (!table) return std::nullopt;
  KeySource source;
  read_table(*table, kKeySource, source);
  if (source.environment.has_value() == source.file.has_value()) {
    if (table->entries.empty() || source.environment) item.reject("; name exactly one");
    return std::nullopt;
  }
  return source.file ? from_file(item, source.file->value)
                     : from_environment(item, source.environment->value);
}

void read_key_into(const Item& item, std::optional<Located<SecretBytes>>& key,
                   StaticKeyDraft& draft) {
  key = read_key(item);
  draft.failed = draft.failed || !key;
}

// Static keys

constexpr Field<StaticKeyDraft> kStaticKey[] = {
    {"cipher_key", kKeyWords,
     [](const Item& item, StaticKeyDraft& keys) { read_key_into(item, keys.cipher, keys); }},
    {"integrity_key", kKeyWords,
     [](const Item& item, StaticKeyDraft& keys) { read_key_into(item, keys.integrity, keys); }},
};
constexpr std::string_view kStaticKeyWords = "a table { cipher_key = ..., integrity_key = ... }";

void read_static_key(const Item& item, StaticKeyDraft& keys) {
  keys.at = item.node.at;
  if (const auto table = as_table(item, fmt::format("'{}' of 'static'", item.key)))
    read_table(*table, kStaticKey, keys);
  else
    keys.failed = true;
  keys.failed = keys.failed || !item.context.document.complete;  // it may have been skipped
}

std::optional<std::uint32_t> as_spi(const Item& item) {
  const auto* number = item.node.as<std::int64_t>();
  if (number && *number >= 0 && *number < kMinSpi) {
    item.error(fmt::format("SPI {} is reserved (RFC 4303 2.1): expected one from {} up", *number,
                           kMinSpi));
    return std::nullopt;
  }
  const auto spi = as_integer(item, kMinSpi, 0xffffffff);
  return spi ? std::optional(static_cast<std::uint32_t>(*spi)) : std::nullopt;
}

constexpr Field<StaticDraft> kStatic[] = {
    {"spi", "two numbers from 256 to 0xffffffff: [first to second site, and back]",
     [](const Item& item, StaticDraft& draft) {
       const std::vector<Item> parts = as_list(item);
       for (const Item& part : parts)
         if (const auto spi = as_spi(part)) draft.spis.push_back({*spi, part.node.at});
       if (item.node.as<Array>() && parts.size() != 2) item.reject();
     },
     true},
    {"forward", kStaticKeyWords,
     [](const Item& item, StaticDraft& draft) { read_static_key(item, draft.forward); }, true},
    {"backward", kStaticKeyWords,
     [](const Item& item, StaticDraft& draft) { read_static_key(item, draft.backward); }, true},
};

// keys = ...

constexpr Field<KeysDraft> kKeys[] = {
    {"file", "the name of a one-time key file, such as \"{site}.keys\"",
     [](const Item& item, KeysDraft& keys) {
       const auto name = as_string(item);
       if (!name) return;
       keys.file = {*name, item.node.at};
       if (name->find(kSitePlaceholder) == std::string::npos)
         item.reject("; it must have {site} in it, because each site has a file of its own");
       else if (!is_name(with_site(*name, "s"), 64))
         item.reject("; a name alone: the folder is 'key_folder' of [gateway]");
     }},
    {"socket", "true: keys come over the control socket",
     [](const Item& item, KeysDraft& keys) {
       keys.socket = {true, item.node.at};
       const auto truth = as_bool(item);
       if (truth && !*truth) item.reject();
     }},
    {"static", "a table with 'spi', 'forward' and 'backward'",
     [](const Item& item, KeysDraft& keys) {
       keys.fixed.emplace().at = item.node.at;
       if (const auto table = as_table(item, "'static' of 'keys'"))
         read_table(*table, kStatic, *keys.fixed);
     }},
};
constexpr std::string_view kKeysWords =
    "one of { file = \"{site}.keys\" }, { socket = true } and { static = { ... } }";

void read_keys(const Item& item, TunnelDraft& draft) {
  const auto table = as_table(item, "'keys'");
  if (!table) return;
  read_table(*table, kKeys, draft.keys);
  const int ways = int{draft.keys.file.has_value()} + int{draft.keys.socket.has_value()} +
                   int{draft.keys.fixed.has_value()};
  if (ways > 1)
    item.error(fmt::format("'keys' says {} ways to get them: expected {}", ways, item.expected));
  if (table->entries.empty()) item.reject();
  if (draft.keys.file) draft.tunnel.key_file_name = draft.keys.file->value;
}

constexpr Field<TunnelDraft> kTunnel[] = {
    {"name", "a name for this tunnel, unique",
     [](const Item& item, TunnelDraft& draft) {
       draft.tunnel.name = as_name(item).value_or("");
       draft.name_at = item.node.at;
     },
     true},
    {"sites", "the names of two sites, such as [\"left\", \"right\"]",
     [](const Item& item, TunnelDraft& draft) {
       const std::vector<Item> parts = as_list(item);
       for (const Item& part : parts)
         if (auto name = as_name(part)) draft.sites.push_back({*name, part.node.at});
       if (item.node.as<Array>() && parts.size() != 2) item.reject();
     },
     true},
    {"transform", "a transform, such as \"aes256gcm16\"",
     [](const Item& item, TunnelDraft& draft) {
       const auto info = as_transform(item);
       if (!info) return;
       draft.transform = *info;
       draft.transform_at = item.node.at;
       draft.tunnel.transform = (*info)->transform;
     },
     true},
    {"mode", "\"tunnel\" or \"transport\"",
     [](const Item& item, TunnelDraft& draft) {
       draft.tunnel.mode = as_choice(item, kModes).value_or(Mode::tunnel);
       draft.mode_at = item.node.at;
     }},
    {"encapsulation", "\"udp\" or \"none\"",
     [](const Item& item, TunnelDraft& draft) {
       draft.tunnel.encapsulation = as_choice(item, kEncapsulations).value_or(Encapsulation::udp);
     }},
    {"esn", "true or false",
     [](const Item& item, TunnelDraft& draft) { draft.tunnel.esn = as_bool(item).value_or(true); }},
    {"replay_window", "a number from 32 to 4096",
     [](const Item& item, TunnelDraft& draft) {
       if (const auto window = as_integer(item, kMinReplayWindow, kMaxReplayWindow))
         draft.tunnel.replay_window = static_cast<std::uint32_t>(*window);
     }},
    {"class", "a word for rules to match, such as \"bulk\"",
     [](const Item& item, TunnelDraft& draft) {
       draft.tunnel.traffic_class = as_free_text(item).value_or("");
     }},
    {"outer", "a table such as { dscp = 10, ecn = true, dont_fragment = \"copy\" }",
     read_outer_header},
    {"lifetime", "a table such as { soft_seconds = 3000, hard_seconds = 3600 }", read_lifetime},
    {"nat", "a table such as { follow_peer = true, keepalive = 20 }", read_nat},
    {"dummies", "a table such as { interval = 100, bytes = 1000 }", read_dummies},
    {"keys", kKeysWords, read_keys, true},
};

void check_nat(const Context& context, const TunnelDraft& draft) {
  if (draft.nat_at && draft.tunnel.encapsulation != Encapsulation::udp)
    context.findings.error(*draft.nat_at,
                           "'nat' needs encapsulation = \"udp\": raw ESP has no ports that a NAT "
                           "could tell apart");
}

}  // namespace

void read_tunnels(const Item& item, ConfigDraft& draft) {
  for (const Item& one : as_list(item)) {
    const auto table = as_table(one, "[[tunnel]]");
    if (!table) continue;
    TunnelDraft tunnel;
    tunnel.at = table->at;
    read_table(*table, kTunnel, tunnel);
    check_nat(one.context, tunnel);
    draft.tunnels.push_back(std::move(tunnel));
  }
}

void add_tunnel_tables(std::vector<KeyTable>& tables) {
  tables.push_back(key_table("tunnel[]", std::span(kTunnel)));
  add_tunnel_option_tables(tables);
  tables.push_back(key_table("tunnel[].keys", std::span(kKeys)));
  tables.push_back(key_table("tunnel[].keys.static", std::span(kStatic)));
  for (const std::string direction : {"forward", "backward"}) {
    const std::string path = "tunnel[].keys.static." + direction;
    tables.push_back(key_table(path, std::span(kStaticKey)));
    for (const auto& field : kStaticKey)
      tables.push_back(key_table(path + "." + std::string(field.key), std::span(kKeySource)));
  }
}

}  // namespace espalier::config
