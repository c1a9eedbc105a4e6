// SPDX-License-Identifier: Apache-2.0
#include "io/capture_file.hpp"

#include "io/capture_frame.hpp"
#include "io/os_error.hpp"

#include <pcap/pcap.h>

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <string_view>

namespace espalier::io {
namespace {

constexpr int kLongestPacket = 262144;  // what libpcap and tshark read

Error unreadable(const std::filesystem::path& file, std::string_view why) {
  return {ErrorCode::invalid,
          fmt::format("The capture '{}' cannot be read: {}. It has to be a pcap or pcapng file, as "
                      "tcpdump, dumpcap and Wireshark write them.",
                      file.native(), why)};
}

// libpcap's word for interfaces that differ in link type or snapshot length; libpcap 1.10 also
// takes two of raw IP for different ones.
Error of_several_interfaces(const std::filesystem::path& file, std::string_view why) {
  return {ErrorCode::unsupported,
          fmt::format("The capture '{0}' is of several interfaces, which cannot be read from one "
                      "file ({1}). If all are of one link type, 'editcap -F pcap {0} ONE.pcap' "
                      "makes a file of it that can be; else capture each interface by itself.",
                      file.native(), why)};
}

}  // namespace

void CaptureReader::Close::operator()(pcap* file) const noexcept { pcap_close(file); }
void CaptureWriter::Close::operator()(pcap* file) const noexcept { pcap_close(file); }
void CaptureWriter::Close::operator()(pcap_dumper* file) const noexcept { pcap_dump_close(file); }

Result<CaptureReader> CaptureReader::open(const std::filesystem::path& file) {
  std::FILE* stream = std::fopen(file.c_str(), "rbe");
  if (stream == nullptr)
    return fail(ErrorCode::not_found, fmt::format("The capture '{}' cannot be opened: {}.",
                                                  file.native(), words_of(errno)));
  std::array<char, PCAP_ERRBUF_SIZE> why{};
  CaptureReader reader;
  reader.path_ = file;
  reader.file_.reset(
      pcap_fopen_offline_with_tstamp_precision(stream, PCAP_TSTAMP_PRECISION_NANO, why.data()));
  if (!reader.file_) {
    std::fclose(stream);
    return std::unexpected(unreadable(file, why.data()));
  }
  reader.link_type_ = pcap_datalink(reader.file_.get());
  if (!is_known_link(reader.link_type_)) {
    const char* name = pcap_datalink_val_to_name(reader.link_type_);
    return fail(ErrorCode::unsupported,
                fmt::format("The capture '{}' has frames of link type {} ({}). Ethernet, Linux "
                            "cooked (SLL, SLL2) and raw IP can be read.",
                            file.native(), reader.link_type_, name == nullptr ? "unknown" : name));
  }
  return reader;
}

Result<std::optional<Frame>> CaptureReader::next() {
  pcap_pkthdr* header = nullptr;
  const u_char* bytes = nullptr;
  const int got = pcap_next_ex(file_.get(), &header, &bytes);
  if (got == PCAP_ERROR_BREAK) return std::nullopt;
  if (got != 1) {
    const std::string_view why = pcap_geterr(file_.get());
    return std::unexpected(why.contains("of the first interface")
                               ? of_several_interfaces(path_, why)
                               : unreadable(path_, why));
  }
  return Frame{header->ts, header->len, {bytes, header->caplen}};
}

CaptureWriter::Partial& CaptureWriter::Partial::operator=(Partial&& other) noexcept {
  std::swap(path, other.path);
  return *this;
}

CaptureWriter::Partial::~Partial() {
  std::error_code ignored;
  if (!path.empty()) std::filesystem::remove(path, ignored);
}

Result<CaptureWriter> CaptureWriter::create(const std::filesystem::path& file) {
  const auto cannot = [&file](std::string_view why) {
    return fail(ErrorCode::io,
                fmt::format("The capture '{}' cannot be written: {}.", file.native(), why));
  };
  std::error_code error;
  CaptureWriter writer;
  writer.path_ = std::filesystem::weakly_canonical(file, error);
  if (error) return cannot(error.message());
  std::filesystem::path written = writer.path_;
  const auto there = std::filesystem::status(writer.path_, error);
  if (!exists(there) || is_regular_file(there)) {
    if (exists(there) && access(writer.path_.c_str(), W_OK) != 0) return cannot(words_of(errno));
    written += fmt::format(".{}.part", getpid());
  }
  writer.format_.reset(
      pcap_open_dead_with_tstamp_precision(DLT_RAW, kLongestPacket, PCAP_TSTAMP_PRECISION_NANO));
  std::FILE* stream = writer.format_ ? std::fopen(written.c_str(), "wbe") : nullptr;
  if (stream == nullptr) return cannot(words_of(errno));
  if (written != writer.path_) writer.partial_ = Partial(written);
  writer.file_.reset(pcap_dump_fopen(writer.format_.get(), stream));
  if (!writer.file_) {
    std::fclose(stream);
    return cannot(pcap_geterr(writer.format_.get()));
  }
  return writer;
}

void CaptureWriter::write(CaptureTime time, std::span<const std::uint8_t> packet) noexcept {
  const auto length = static_cast<bpf_u_int32>(packet.size());
  const pcap_pkthdr header{time, length, length};
  pcap_dump(reinterpret_cast<u_char*>(file_.get()), &header, packet.data());
}

Result<void> CaptureWriter::finish() {
  if (pcap_dump_flush(file_.get()) == 0 && std::ferror(pcap_dump_file(file_.get())) == 0 &&
      (partial_.path.empty() || std::rename(partial_.path.c_str(), path_.c_str()) == 0)) {
    partial_.path.clear();
    return {};
  }
  return fail(ErrorCode::io, fmt::format("The capture '{}' could not be written to its end: {}.",
                                         path_.native(), words_of(errno)));
}

}  // namespace espalier::io
