// SPDX-License-Identifier: Apache-2.0
#include "io/reverse_path.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace espalier::io {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ReversePath : public testing::Test {
 protected:
  ReversePath()
      : settings_(std::filesystem::path(testing::TempDir()) /
                  ("reverse_path." + std::to_string(::getpid()))) {
    for (const char* interface : {"all", "default", "lo", "esp0", "eth0", "eth1"})
      set(interface, 0);
  }
  ~ReversePath() override { std::filesystem::remove_all(settings_); }

  void set(const char* interface, int value) {
    std::filesystem::create_directories(settings_ / interface);
    std::ofstream(settings_ / interface / "rp_filter") << value << '\n';
  }

  std::filesystem::path settings_;
};

TEST_F(ReversePath, IsStrictWhereAnInterfaceSaysSo) {
  EXPECT_THAT(strict_reverse_path(settings_, "esp0"), IsEmpty());
  set("eth1", 1);
  set("esp0", 1);
  set("default", 1);
  EXPECT_THAT(strict_reverse_path(settings_, "esp0"), ElementsAre("eth1"));
}

TEST_F(ReversePath, IsTheHigherOfAllAndTheInterfaces) {
  set("all", 1);
  set("eth0", 2);
  EXPECT_THAT(strict_reverse_path(settings_, "esp0"), ElementsAre("eth1"));
  set("all", 2);
  set("eth1", 1);
  EXPECT_THAT(strict_reverse_path(settings_, "esp0"), IsEmpty());
}

TEST_F(ReversePath, IsNotKnownWithoutSettings) {
  EXPECT_THAT(strict_reverse_path(settings_ / "nowhere", "esp0"), IsEmpty());
}

TEST_F(ReversePath, SaysWhatToSet) {
  EXPECT_THAT(strict_words({"eth0", "eth1"}),
              testing::AllOf(testing::HasSubstr("'sysctl -w net.ipv4.conf.eth0.rp_filter=2'"),
                             testing::HasSubstr("(strict are: eth0, eth1)")));
}

}  // namespace
}  // namespace espalier::io
