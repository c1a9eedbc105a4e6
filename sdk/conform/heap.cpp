// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>
#include <conform/heap.hpp>

#include <fstream>

namespace espalier::conform {
namespace {

// The smallest block of malloc has 24 bytes: one left behind a round shows.
constexpr std::uint64_t kBytesARound = 8;
constexpr std::uint64_t kAllowed = 4096;
constexpr std::uint64_t kPagesAllowed = 2U << 20;  // arenas and stacks breathe
constexpr std::uint64_t kPageBytesARound = 512;

}  // namespace

MemoryUse MemoryUse::now() {
  const auto heap = mallinfo2();
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return {heap.uordblks + heap.hblkhd, pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE))};
}

std::string MemoryUse::growth_over(const MemoryUse& before, std::uint32_t rounds) const {
  if (allocated > before.allocated + kAllowed + kBytesARound * rounds)
    return fmt::format("{} bytes more are allocated, {:.1f} each time",
                       allocated - before.allocated,
                       static_cast<double>(allocated - before.allocated) / rounds);
  if (resident > before.resident + kPagesAllowed + kPageBytesARound * rounds)
    return fmt::format("the process is {} KiB larger", (resident - before.resident) >> 10);
  return {};
}

}  // namespace espalier::conform
