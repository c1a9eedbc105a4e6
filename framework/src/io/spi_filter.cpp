// SPDX-License-Identifier: Apache-2.0
#include "io/spi_filter.hpp"

#include "io/os_error.hpp"

#include <linux/filter.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include <cerrno>
#include <span>

namespace espalier::io {
namespace {

constexpr std::uint32_t kWhole = 0xffffffffu;

Result<void> attach(int fd, int option, std::span<sock_filter> code) {
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  if (::setsockopt(fd, SOL_SOCKET, option, &program, sizeof program) == 0) return {};
  return fail(ErrorCode::io,
              fmt::format("The system refused the packet filter that steers ESP packets to workers "
                          "by SPI: {}. Set 'workers = 1' in the configuration to do without it.",
                          words_of(errno)));
}

}  // namespace

// The filter sees a datagram from its UDP payload on; one that is shorter than an SPI goes to
// socket 0.
Result<void> steer_group_by_spi(int fd, std::uint32_t workers) {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
      BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, workers),
      BPF_STMT(BPF_RET | BPF_A, 0),
  };
  return attach(fd, SO_ATTACH_REUSEPORT_CBPF, code);
}

// IPv4 raw sockets see the IP header first, IPv6 raw sockets do not.
Result<void> keep_own_spis(int fd, Family family, std::uint32_t worker, std::uint32_t workers) {
  sock_filter code[] = {
      family == Family::ipv4 ? sock_filter BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0)
                             : sock_filter BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, 0),
      BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0),
      BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, workers),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, worker, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, kWhole),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  return attach(fd, SO_ATTACH_FILTER, code);
}

}  // namespace espalier::io
