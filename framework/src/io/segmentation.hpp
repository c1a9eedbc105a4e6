// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "io/virtio_header.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace espalier::io {

// Finishes what the kernel leaves to a device that it believes able to (TSO, USO, checksums): one
// large TCP or UDP packet becomes segments, a partial checksum a whole one. Any other packet stays
// as it is. Segments are written when asked for, so that they may go to several bursts.
class Segmenter {
 public:
  // Takes up a packet, which is to stay where it is until empty(). False if it contradicts its
  // header; then it is not taken up.
  bool take(const VirtioHeader& header, std::span<std::uint8_t> packet) noexcept;

  bool empty() const noexcept { return empty_; }

  // Writes the next segment and gives its length: 0 if it is longer than `out`; then it is lost.
  std::size_t write_next(std::span<std::uint8_t> out) noexcept;

 private:
  bool take_whole(const VirtioHeader& header) noexcept;
  bool take_large(const VirtioHeader& header) noexcept;
  void fix_ip(std::span<std::uint8_t> segment) const noexcept;
  void fix_tcp(std::span<std::uint8_t> transport, bool last) const noexcept;
  void write_checksum(std::span<std::uint8_t> transport, std::size_t offset) const noexcept;

  std::span<const std::uint8_t> packet_;
  bool empty_ = true;
  bool tcp_ = false;
  std::size_t headers_ = 0;    // bytes that every segment begins with; 0: there is one segment
  std::size_t transport_ = 0;  // offset of the transport header
  std::size_t size_ = 0;       // payload of a segment
  std::size_t next_ = 0;       // payload bytes already written
  std::uint16_t index_ = 0;    // of the next segment
};

}  // namespace espalier::io
