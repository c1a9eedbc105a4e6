// SPDX-License-Identifier: Apache-2.0
#include <espalier/abi.h>
#include <fmt/format.h>
#include <load/elf_file.hpp>
#include <load/manifest.hpp>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

namespace espalier::load {
namespace {

constexpr std::size_t kMaxManifestBytes = 4096;
constexpr std::size_t kMaxValueBytes = 256;
constexpr std::size_t kMaxNameBytes = 32;

std::unexpected<Error> invalid(std::string words) {
  return fail(ErrorCode::invalid, std::move(words));
}

bool printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

// The text up to its end, which is the first NUL; after that only padding may follow.
Result<std::string_view> text_of(std::span<const std::uint8_t> section) {
  if (section.size() > kMaxManifestBytes)
    return invalid(fmt::format("its manifest is longer than {} bytes", kMaxManifestBytes));
  const auto end = std::ranges::find(section, std::uint8_t{0});
  if (std::ranges::any_of(end, section.end(), [](std::uint8_t byte) { return byte != 0; }))
    return invalid("it has more than one manifest: write ESPALIER_PLUGIN in one source file only");
  return std::string_view(reinterpret_cast<const char*>(section.data()),
                          static_cast<std::size_t>(end - section.begin()));
}

using Values = std::map<std::string_view, std::string_view>;

Result<Values> split(std::string_view text) {
  Values values;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.empty()) continue;
    const auto equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0 || line.size() > kMaxValueBytes ||
        !printable(line))
      return invalid("a line of its manifest is not key=value in printable ASCII");
    if (!values.emplace(line.substr(0, equals), line.substr(equals + 1)).second)
      return invalid(fmt::format("its manifest gives {} twice", line.substr(0, equals)));
  }
  return values;
}

std::optional<std::uint16_t> number(std::string_view text) {
  std::uint16_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<void> read_abi(std::string_view text, Manifest& manifest) {
  const auto dot = std::min(text.find('.'), text.size());
  const auto major = number(text.substr(0, dot));
  const auto minor = number(text.substr(std::min(dot + 1, text.size())));
  if (!major || !minor)
    return invalid(fmt::format("abi={} in its manifest is not MAJOR.MINOR", text));
  manifest.abi_major = *major;
  manifest.abi_minor = *minor;
  return {};
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const auto word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    if (!word.empty()) words.emplace_back(word);
  }
  return words;
}

}  // namespace

Result<Manifest> parse_manifest(std::string_view text) {
  const auto values = split(text);
  if (!values) return std::unexpected(values.error());
  for (const char* key : {"abi", "name", "vendor", "version"})
    if (!values->contains(key)) return invalid(fmt::format("its manifest has no line {}=", key));

  Manifest manifest;
  if (auto abi = read_abi(values->at("abi"), manifest); !abi) return std::unexpected(abi.error());
  manifest.name = values->at("name");
  if (!is_name(manifest.name))
    return invalid(
        fmt::format("name={} in its manifest is not of a to z, 0 to 9, _ and -, 1 to {} "
                    "long",
                    manifest.name, kMaxNameBytes));
  manifest.vendor = values->at("vendor");
  manifest.version = values->at("version");
  if (const auto cpu = values->find("cpu"); cpu != values->end())
    manifest.cpu = words_of(cpu->second);
  return manifest;
}

Result<Manifest> read_manifest(std::span<const std::uint8_t> file) {
  const auto elf = ElfFile::parse(file);
  if (!elf) return std::unexpected(elf.error());
  const auto section = elf->section(ESPALIER_MANIFEST_SECTION);
  if (section.empty())
    return invalid("it has no section " ESPALIER_MANIFEST_SECTION
                   ", so it is no plugin of Espalier: use ESPALIER_PLUGIN of the SDK");
  const auto text = text_of(section);
  if (!text) return std::unexpected(text.error());
  auto manifest = parse_manifest(*text);
  if (!manifest) return manifest;
  // What a plugin of another major exports is not for this one to say.
  if (manifest->abi_major == ESPALIER_ABI_MAJOR &&
      !elf->exports_object(ESPALIER_PLUGIN_SYMBOL, sizeof(espalier_plugin_entry)))
    return invalid("it does not export the data symbol " ESPALIER_PLUGIN_SYMBOL
                   ": use ESPALIER_PLUGIN of the SDK");
  return manifest;
}

Result<void> check_abi(const Manifest& manifest) {
  if (manifest.abi_major == ESPALIER_ABI_MAJOR) return {};
  return fail(
      ErrorCode::unsupported,
      fmt::format("it speaks plugin ABI {}.{}, this program {}.{}: get a build of it for "
                  "this version",
                  manifest.abi_major, manifest.abi_minor, ESPALIER_ABI_MAJOR, ESPALIER_ABI_MINOR));
}

}  // namespace espalier::load
