// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include <sys/time.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <utility>

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

// Writes a pcap file of raw IP packets, times in nanoseconds: beside the file that is meant, whose
// place it takes at finish(). Without that, a file that was there is as it was. What is no regular
// file (a pipe, a terminal) is written at once.
class CaptureWriter {
 public:
  static Result<CaptureWriter> create(const std::filesystem::path& file);

  void write(CaptureTime time, std::span<const std::uint8_t> packet) noexcept;
  // Says whether all of it has reached the file. The last call.
  Result<void> finish();

 private:
  struct Close {
    void operator()(pcap* file) const noexcept;
    void operator()(pcap_dumper* file) const noexcept;
  };
  // Removed, unless it has been given its name.
  struct Partial {
    explicit Partial(std::filesystem::path at) : path(std::move(at)) {}
    Partial(Partial&& other) noexcept : path(std::exchange(other.path, {})) {}
    Partial& operator=(Partial&& other) noexcept;
    ~Partial();
    std::filesystem::path path;
  };
  std::filesystem::path path_;
  Partial partial_{{}};
  std::unique_ptr<pcap, Close> format_;
  std::unique_ptr<pcap_dumper, Close> file_;
};

}  // namespace espalier::io
