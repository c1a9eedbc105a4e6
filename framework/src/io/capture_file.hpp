// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include <sys/time.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>

struct pcap;
struct pcap_dumper;

namespace espalier::io {

// With nanoseconds in tv_usec, as libpcap has it.
using CaptureTime = timeval;

// A frame of a capture, valid until the next one is read.
struct Frame {
  CaptureTime time{};
  std::uint32_t length = 0;             // on the wire
  std::span<const std::uint8_t> bytes;  // of it in the capture
};

// Reads a capture, pcap or pcapng, of a link type that is_known_link().
class CaptureReader {
 public:
  static Result<CaptureReader> open(const std::filesystem::path& file);

  int link_type() const noexcept { return link_type_; }
  // The next frame, or nothing at the end. A file that is cut or damaged is an error.
  Result<std::optional<Frame>> next();

 private:
  struct Close {
    void operator()(pcap* file) const noexcept;
  };
  std::filesystem::path path_;
  std::unique_ptr<pcap, Close> file_;
  int link_type_ = 0;
};

// Writes a pcap file of raw IP packets, times in nanoseconds.
class CaptureWriter {
 public:
  // Overwrites a file that is there.
  static Result<CaptureWriter> create(const std::filesystem::path& file);

  void write(CaptureTime time, std::span<const std::uint8_t> packet) noexcept;
  // Says whether all of it has reached the file.
  Result<void> finish();

 private:
  struct Close {
    void operator()(pcap* file) const noexcept;
    void operator()(pcap_dumper* file) const noexcept;
  };
  std::filesystem::path path_;
  std::unique_ptr<pcap, Close> format_;
  std::unique_ptr<pcap_dumper, Close> file_;
};

}  // namespace espalier::io
