// SPDX-License-Identifier: Apache-2.0
#include <espalier/secret.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace espalier {
namespace {

using testing::HasSubstr;

std::unique_ptr<SecretPool> new_pool() {
  auto pool = SecretPool::create();
  EXPECT_TRUE(pool) << (pool ? "" : pool.error().message);
  return pool ? std::move(*pool) : nullptr;
}

// The kernel's VmFlags of the mapping that holds the address.
std::string flags_of(const void* address) {
  const auto wanted = reinterpret_cast<unsigned long>(address);
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long from = 0, to = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &from, &to) == 2)
      inside = from <= wanted && wanted < to;
    else if (inside && line.starts_with("VmFlags:"))
      return line + " ";
  }
  return "";
}

unsigned long locked_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmLck:")) return std::stoul(line.substr(6));
  return 0;
}

TEST(SecretPool, LocksItsMemoryAndKeepsItOutOfCoreDumps) {
  const auto pool = new_pool();
  for (const std::size_t size : {std::size_t{1}, std::size_t{64 * 1024}}) {
    const auto memory = pool->allocate(size);
    ASSERT_TRUE(memory);
    const std::string flags = flags_of(*memory);
    EXPECT_THAT(flags, HasSubstr(" lo ")) << "not locked";
    EXPECT_THAT(flags, HasSubstr(" dd ")) << "in core dumps";
    EXPECT_THAT(flags_of(*memory + size - 1), HasSubstr(" lo ")) << "its end is not locked";
  }
}

TEST(SecretPool, GivesZeroedMemoryAgainAndAgain) {
  const auto pool = new_pool();
  for (int round = 0; round < 200; ++round) {
    const std::size_t size = 1 + static_cast<std::size_t>(round * 37 % 400);
    const auto memory = pool->allocate(size);
    ASSERT_TRUE(memory);
    EXPECT_TRUE(std::all_of(*memory, *memory + size, [](std::uint8_t b) { return b == 0; }))
        << "round " << round;
    std::memset(*memory, 0xa5, size);
    pool->release(*memory, size);
  }
}

TEST(SecretPool, LeavesNothingOfAReleasedSecret) {
  const auto pool = new_pool();
  const auto memory = pool->allocate(64);
  ASSERT_TRUE(memory);
  std::memset(*memory, 0xa5, 64);
  pool->release(*memory, 64);
  EXPECT_EQ(std::count(*memory, *memory + 64, 0xa5), 0);
}

TEST(SecretPool, UsesReleasedMemoryAgain) {
  const auto pool = new_pool();
  std::set<std::uint8_t*> first, second;
  for (int i = 0; i < 100; ++i) first.insert(*pool->allocate(32));
  for (std::uint8_t* const memory : first) pool->release(memory, 32);
  for (int i = 0; i < 100; ++i) second.insert(*pool->allocate(20));
  EXPECT_EQ(first, second) << "32 and 20 bytes are of one size class";
}

TEST(SecretPool, NeverGivesTheSameBytesTwice) {
  const auto pool = new_pool();
  std::vector<std::pair<std::uint8_t*, std::size_t>> given;
  constexpr std::size_t sizes[] = {16, 60000, 3, 200, 33, 65536, 1, 5000, 64, 65, 48, 300, 17, 9};
  for (const std::size_t size : sizes) {
    for (int i = 0; i < 7; ++i) given.emplace_back(*pool->allocate(size), size);
  }
  std::ranges::sort(given);
  for (std::size_t i = 1; i < given.size(); ++i)
    EXPECT_LE(given[i - 1].first + given[i - 1].second, given[i].first);
}

TEST(SecretPool, AlignsLargerSecretsToALine) {
  const auto pool = new_pool();
  for (std::size_t size = 1; size < 3000; size += 7) {
    const auto address = reinterpret_cast<std::uintptr_t>(*pool->allocate(size));
    EXPECT_EQ(address % (size > 48 ? 64 : 16), 0U) << size;
  }
}

TEST(SecretPool, IsCheapForManySmallSecrets) {
  const unsigned long before = locked_kib();
  const auto pool = new_pool();
  constexpr unsigned long count = 50000;
  for (unsigned long i = 0; i < count; ++i) ASSERT_TRUE(pool->allocate(36));
  const unsigned long bytes = (locked_kib() - before) * 1024;
  EXPECT_LT(bytes, count * (36 + 14) + 128 * 1024);
}

TEST(SecretPool, UsesTheRestOfARunWhenALargeSecretCameBetween) {
  const auto pool = new_pool();
  const unsigned long before = locked_kib();
  ASSERT_TRUE(pool->allocate(16));
  ASSERT_TRUE(pool->allocate(64 * 1024));
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(pool->allocate(32));
  EXPECT_EQ(locked_kib() - before, 64U) << "only the large secret needed a new region";
}

TEST(SecretPool, RefusesSizesThatItDoesNotHave) {
  const auto pool = new_pool();
  for (const std::size_t size : {std::size_t{0}, std::size_t{64 * 1024 + 1}}) {
    const auto memory = pool->allocate(size);
    ASSERT_FALSE(memory);
    EXPECT_EQ(memory.error().code, ErrorCode::invalid);
  }
}

TEST(SecretPool, MayBeUsedFromManyThreads) {
  const auto pool = new_pool();
  const auto work = [&](std::uint8_t mark) {
    for (int round = 0; round < 2000; ++round) {
      const std::size_t size = 1 + static_cast<std::size_t>(round % 100);
      const auto memory = pool->allocate(size);
      ASSERT_TRUE(memory);
      std::memset(*memory, mark, size);
      ASSERT_EQ(std::count(*memory, *memory + size, mark), static_cast<std::ptrdiff_t>(size))
          << "another thread has the same bytes";
      pool->release(*memory, size);
    }
  };
  std::vector<std::jthread> threads;
  for (std::uint8_t mark = 1; mark <= 4; ++mark) threads.emplace_back(work, mark);
}

// Without CAP_IPC_LOCK and without any allowance, as an ordinary user may find it.
[[noreturn]] void create_without_allowance() {
  const rlimit none{0, 0};
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct no_capabilities[2] = {};
  if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 || syscall(SYS_capset, &header, no_capabilities) != 0)
    _exit(9);
  const auto pool = SecretPool::create();
  if (!pool) std::fprintf(stderr, "%s\n", pool.error().message.c_str());
  _exit(pool ? 0 : pool.error().code == ErrorCode::permission ? 3 : 4);
}

TEST(SecretPoolDeathTest, SaysWhichLimitIsTooSmallAndWhatToDo) {
  EXPECT_EXIT(create_without_allowance(), testing::ExitedWithCode(3),
              "cannot lock 65536 bytes of memory for keys: the limit RLIMIT_MEMLOCK is 0 bytes and "
              "used up; raise it before the start with 'ulimit -l' .* LimitMEMLOCK= .* or give "
              "it CAP_IPC_LOCK");
}

std::vector<std::uint8_t> bytes_of(const SecretBytes& secret) {
  return {secret.view().begin(), secret.view().end()};
}

TEST(SecretBytes, AreReadFromHex) {
  const auto pool = new_pool();
  const std::vector<std::uint8_t> expected = {0x00, 0x1f, 0xab, 0xCD};
  for (const char* const hex : {"001fabcd", "001FABCD", "0x001fAbCd"}) {
    const auto secret = SecretBytes::from_hex(*pool, hex);
    ASSERT_TRUE(secret) << hex;
    EXPECT_EQ(bytes_of(*secret), expected);
  }
  EXPECT_TRUE(SecretBytes::from_hex(*pool, "")->empty());
}

TEST(SecretBytes, NeverQuoteTheDigitsThatAreWrong) {
  const auto pool = new_pool();
  const auto odd = SecretBytes::from_hex(*pool, "deadbee");
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().message, "a key in hex has 7 digits; it must have two for each byte");
  const auto wrong = SecretBytes::from_hex(*pool, "dead_eef");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message,
            "a key in hex has a character at place 5 that is not one of 0-9, a-f");
  for (const char c : {'/', ':', '@', 'G', '`', 'g', '\0'})
    EXPECT_FALSE(SecretBytes::from_hex(*pool, std::string("0") + c)) << c;
}

TEST(SecretBytes, AreCopied) {
  const auto pool = new_pool();
  const std::vector<std::uint8_t> bytes = {1, 2, 3};
  EXPECT_EQ(bytes_of(*SecretBytes::copy(*pool, bytes)), bytes);
  EXPECT_TRUE(SecretBytes::copy(*pool, {})->empty());
}

TEST(SecretBytes, AreRandomAllTheirLength) {
  const auto pool = new_pool();
  const auto first = SecretBytes::random(*pool, 1000), second = SecretBytes::random(*pool, 1000);
  ASSERT_TRUE(first && second);
  EXPECT_NE(bytes_of(*first), bytes_of(*second));
  const auto zeros = std::ranges::count(first->view().last(300), 0);
  EXPECT_LT(zeros, 20) << "the end was not filled";
  EXPECT_TRUE(SecretBytes::random(*pool, 0)->empty());
}

TEST(SecretBytes, MoveWithTheirMemory) {
  const auto pool = new_pool();
  SecretBytes first = *SecretBytes::from_hex(*pool, "0102");
  const std::uint8_t* const memory = first.view().data();
  SecretBytes second = std::move(first);
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(second.view().data(), memory);
  SecretBytes third = *SecretBytes::from_hex(*pool, "0304");
  third = std::move(second);
  EXPECT_EQ(third.view().data(), memory);
  EXPECT_EQ(third.size(), 2U);
}

TEST(SecretBytes, AreWipedWhenTheyEnd) {
  const auto pool = new_pool();
  const std::vector<std::uint8_t> bytes(32, 0xa5);
  const std::uint8_t* memory = nullptr;
  {
    const auto secret = SecretBytes::copy(*pool, bytes);
    memory = secret->view().data();
  }
  EXPECT_EQ(std::count(memory, memory + 32, 0xa5), 0) << "by the destructor";
  SecretBytes target = *SecretBytes::copy(*pool, bytes);
  memory = target.view().data();
  target = SecretBytes();
  EXPECT_EQ(std::count(memory, memory + 32, 0xa5), 0) << "by an assignment";
}

TEST(Wipe, Zeroes) {
  std::uint8_t bytes[40];
  std::memset(bytes, 0xa5, sizeof(bytes));
  wipe(bytes + 4, 32);
  EXPECT_EQ(std::count(bytes, bytes + 40, 0xa5), 8);
  EXPECT_EQ(std::count(bytes + 4, bytes + 36, 0), 32);
}

}  // namespace
}  // namespace espalier
