// SPDX-License-Identifier: Apache-2.0
#include "io/offload_queue.hpp"

#include "io/coalescing.hpp"
#include "io/segmentation.hpp"

#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace espalier::io {
namespace {

constexpr std::size_t kLongestRead = sizeof(VirtioHeader) + 65536 + 64;

template <class Call>
ssize_t retried(Call&& call) noexcept {
  ssize_t result = 0;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

class OffloadQueue final : public PacketPort {
 public:
  OffloadQueue(Descriptor queue, bool udp)
      : queue_(std::move(queue)), udp_(udp), memory_(std::make_unique<Memory>()) {}

  std::size_t receive(std::span<Packet* const> packets) noexcept override {
    std::size_t given = 0;
    while (given < packets.size() && (!segments_.empty() || read_next())) {
      Packet& packet = *packets[given++];
      packet.offset = kHeadroom;
      packet.wire = {};
      const std::span space(packet.data(), packet.capacity - kHeadroom - kTailroom);
      packet.length = static_cast<std::uint32_t>(segments_.write_next(space));
    }
    return given;
  }

  std::size_t send(std::span<Packet* const> packets) noexcept override {
    std::size_t sent = 0;
    while (!packets.empty()) {
      const auto run = packets.first(count_joinable(packets, udp_));
      if (write(run)) sent += run.size();
      packets = packets.subspan(run.size());
    }
    return sent;
  }

  int descriptor() const noexcept override { return queue_.get(); }
  bool look_at_error() noexcept override { return is_attached(queue_.get()); }

 private:
  struct Memory {
    std::array<std::uint8_t, kLongestRead> read;
    std::array<iovec, 1 + kMostJoined> parts;
  };

  // False when the kernel has nothing more; what cannot be understood is skipped.
  bool read_next() noexcept {
    for (;;) {
      const ssize_t got =
          retried([&] { return ::read(queue_.get(), memory_->read.data(), memory_->read.size()); });
      if (got < static_cast<ssize_t>(sizeof(VirtioHeader))) return false;
      VirtioHeader header;
      std::memcpy(&header, memory_->read.data(), sizeof header);
      const auto all = std::span(memory_->read).first(static_cast<std::size_t>(got));
      if (segments_.take(header, all.subspan(sizeof header))) return true;
    }
  }

  bool write(std::span<Packet* const> run) noexcept {
    VirtioHeader header = join(run);
    auto& parts = memory_->parts;
    parts[0] = {&header, sizeof header};
    for (std::size_t i = 0; i < run.size(); ++i) {
      const std::size_t skipped = i == 0 ? 0 : header.header_length;
      parts[1 + i] = {run[i]->data() + skipped, run[i]->length - skipped};
    }
    return retried([&] {
             return ::writev(queue_.get(), parts.data(), static_cast<int>(1 + run.size()));
           }) >= 0;
  }

  Descriptor queue_;
  const bool udp_;
  Segmenter segments_;
  std::unique_ptr<Memory> memory_;
};

}  // namespace

bool is_attached(int queue) noexcept {
  ifreq request{};
  return ::ioctl(queue, TUNGETIFF, &request) == 0;
}

std::unique_ptr<PacketPort> make_offload_queue(Descriptor queue, bool udp) {
  return std::make_unique<OffloadQueue>(std::move(queue), udp);
}

}  // namespace espalier::io
