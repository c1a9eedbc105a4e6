// SPDX-License-Identifier: Apache-2.0
#include <elf.h>
#include <load/elf_file.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

namespace espalier::load {
namespace {

using Bytes = std::span<const std::uint8_t>;

#if defined(__x86_64__)
constexpr std::uint16_t kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr std::uint16_t kMachine = EM_AARCH64;
#elif defined(__riscv)
constexpr std::uint16_t kMachine = EM_RISCV;
#else
#error "name this machine's ELF machine number here"
#endif
static_assert(sizeof(void*) == 8 && std::endian::native == std::endian::little);

// The part of `bytes` from offset on, `size` long; nothing if it does not lie within.
std::optional<Bytes> part(Bytes bytes, std::uint64_t offset, std::uint64_t size) noexcept {
  if (offset > bytes.size() || size > bytes.size() - offset) return std::nullopt;
  return bytes.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size));
}

template <class T>
std::optional<T> read_at(Bytes bytes, std::uint64_t offset) noexcept {
  const auto raw = part(bytes, offset, sizeof(T));
  if (!raw) return std::nullopt;
  T value;
  std::memcpy(&value, raw->data(), sizeof(T));
  return value;
}

// True if a NUL-terminated string at that offset of a string table equals `text`.
bool string_is(Bytes table, std::uint64_t offset, std::string_view text) noexcept {
  const auto raw = part(table, offset, text.size() + 1);
  return raw && std::memcmp(raw->data(), text.data(), text.size()) == 0 && raw->back() == 0;
}

// The NUL-terminated string at that offset of a string table.
std::string string_at(Bytes table, std::uint64_t offset) {
  if (offset >= table.size()) return {};
  const Bytes rest = table.subspan(static_cast<std::size_t>(offset));
  const auto end = std::ranges::find(rest, std::uint8_t{0});
  return end == rest.end() ? std::string{} : std::string(rest.begin(), end);
}

std::optional<Bytes> content(Bytes file, const Elf64_Shdr& header) noexcept {
  if (header.sh_type == SHT_NOBITS) return std::nullopt;
  return part(file, header.sh_offset, header.sh_size);
}

std::optional<Elf64_Shdr> header_at(Bytes headers, std::uint64_t index) noexcept {
  if (index >= headers.size() / sizeof(Elf64_Shdr)) return std::nullopt;
  return read_at<Elf64_Shdr>(headers, index * sizeof(Elf64_Shdr));
}

std::unexpected<Error> invalid(const char* words) { return fail(ErrorCode::invalid, words); }

}  // namespace

Result<ElfFile> ElfFile::parse(Bytes bytes) {
  const auto header = read_at<Elf64_Ehdr>(bytes, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
    return invalid("it is not an ELF file");
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
      header->e_machine != kMachine)
    return fail(ErrorCode::unsupported, "it was built for another kind of machine");
  if (header->e_type != ET_DYN) return invalid("it is not a shared object");
  if (header->e_shoff == 0 || header->e_shnum == 0)
    return invalid(
        "it has no section headers, in which its manifest would be found: do not strip "
        "them");
  if (header->e_shentsize != sizeof(Elf64_Shdr))
    return invalid("it is damaged: its section headers have an unknown size");
  const auto headers =
      part(bytes, header->e_shoff, std::uint64_t{header->e_shnum} * sizeof(Elf64_Shdr));
  if (!headers) return invalid("it is damaged: its section headers lie outside of the file");
  const auto names_header = header_at(*headers, header->e_shstrndx);
  const auto names = names_header ? content(bytes, *names_header) : std::nullopt;
  if (!names) return invalid("it is damaged: its section names lie outside of the file");
  return ElfFile(bytes, *headers, *names);
}

Bytes ElfFile::section(std::string_view name) const noexcept {
  for (std::uint64_t i = 0; const auto header = header_at(headers_, i); ++i) {
    if (!string_is(names_, header->sh_name, name)) continue;
    const auto found = content(bytes_, *header);
    if (found && !found->empty()) return *found;
  }
  return {};
}

bool ElfFile::exports_object(std::string_view name, std::uint64_t size) const noexcept {
  for (std::uint64_t i = 0; const auto header = header_at(headers_, i); ++i) {
    if (header->sh_type != SHT_DYNSYM) continue;
    const auto symbols = content(bytes_, *header);
    const auto strings_header = header_at(headers_, header->sh_link);
    const auto strings = strings_header ? content(bytes_, *strings_header) : std::nullopt;
    if (!symbols || !strings) return false;
    for (std::uint64_t at = 0; const auto symbol = read_at<Elf64_Sym>(*symbols, at);
         at += sizeof(Elf64_Sym)) {
      if (!string_is(*strings, symbol->st_name, name)) continue;
      if (symbol->st_shndx != SHN_UNDEF && ELF64_ST_TYPE(symbol->st_info) == STT_OBJECT &&
          ELF64_ST_BIND(symbol->st_info) != STB_LOCAL && symbol->st_size >= size)
        return true;
    }
  }
  return false;
}

template <class Wanted>
std::vector<std::string> ElfFile::names_of(Wanted&& wanted) const {
  std::vector<std::string> names;
  for (std::uint64_t i = 0; const auto header = header_at(headers_, i); ++i) {
    if (header->sh_type != SHT_DYNSYM) continue;
    const auto symbols = content(bytes_, *header);
    const auto strings_header = header_at(headers_, header->sh_link);
    const auto strings = strings_header ? content(bytes_, *strings_header) : std::nullopt;
    if (!symbols || !strings) return names;
    for (std::uint64_t at = 0; const auto symbol = read_at<Elf64_Sym>(*symbols, at);
         at += sizeof(Elf64_Sym))
      if (wanted(*symbol)) names.push_back(string_at(*strings, symbol->st_name));
  }
  return names;
}

std::vector<std::string> ElfFile::exported_names() const {
  return names_of([](const Elf64_Sym& symbol) {
    const auto visibility = ELF64_ST_VISIBILITY(symbol.st_other);
    return symbol.st_shndx != SHN_UNDEF && ELF64_ST_BIND(symbol.st_info) != STB_LOCAL &&
           (visibility == STV_DEFAULT || visibility == STV_PROTECTED);
  });
}

std::vector<std::string> ElfFile::needed_names() const {
  return names_of([](const Elf64_Sym& symbol) {
    return symbol.st_shndx == SHN_UNDEF && ELF64_ST_BIND(symbol.st_info) == STB_GLOBAL;
  });
}

}  // namespace espalier::load
