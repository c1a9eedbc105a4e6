// SPDX-License-Identifier: Apache-2.0
#include "steer/tuning.hpp"

#include "fake_kernel.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace espalier::steer {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::SizeIs;

const std::string kName = "seqiv(rfc4106(gcm(aes)))";
const std::string kMasks = "/sys/kernel/pcrypt/";

class TuningTest : public testing::Test {
 protected:
  TuningTest() {
    std::string name = (std::filesystem::temp_directory_path() / "espalier-tune-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    kernel_.add(kName, "seqiv(rfc4106-gcm-aesni-avx)", 500);
    kernel_.loaded = {"xfrm_user", "esp4", "esp6"};
    for (const char* module : {"crypto_user", "pcrypt"})
      kernel_.modules[module] = [](FakeKernel& kernel) {
        for (const char* way : {"pencrypt", "pdecrypt"})
          for (const char* file : {"parallel_cpumask", "serial_cpumask"})
            kernel.settings[kMasks + way + "/" + file] = "f";
      };
    kernel_.settings.clear();
    tuning_.first = {*parse_first_driver("aes128gcm16=pcrypt(rfc4106(gcm(aes)))")};
    tuning_.parallel_cpus = "1-3";
  }
  ~TuningTest() override { std::filesystem::remove_all(folder_); }

  void apply_and(const std::function<void(Journal&)>& then) {
    auto journal = Journal::open(folder_ / "tune.json", kernel_);
    ASSERT_TRUE(journal) << journal.error().message;
    auto steering = Steering::start(kernel_, *journal);
    ASSERT_TRUE(steering) << steering.error().message;
    const auto applied = apply(tuning_, kernel_, *steering);
    ASSERT_TRUE(applied) << applied.error().message;
    then(*journal);
  }

  std::filesystem::path folder_;
  FakeKernel kernel_;
  Tuning tuning_;
};

TEST_F(TuningTest, CpusThatTheMachineDoesNotHaveAreRefused) {
  kernel_.settings["/sys/devices/system/cpu/present"] = "0-1";
  const auto items = compare(tuning_, kernel_);
  ASSERT_FALSE(items);
  EXPECT_EQ(items.error().code, ErrorCode::invalid);
  EXPECT_EQ(items.error().message,
            "this machine does not have CPU 2-3, of '1-3': its CPUs are 0-1");
  tuning_.parallel_cpus = "0-1";
  EXPECT_TRUE(compare(tuning_, kernel_));
}

TEST_F(TuningTest, ShowsWhatIsAndWhatIsWantedAndChangesNothing) {
  const auto items = compare(tuning_, kernel_);
  ASSERT_TRUE(items) << items.error().message;
  EXPECT_THAT(*items, Contains(TuningItem{"module esp4", "loaded", "loaded", "ESP over IPv4"}));
  EXPECT_THAT(*items, Contains(TuningItem{"module pcrypt", "", "loaded",
                                          "it is to spread packets over CPUs"}));
  EXPECT_THAT(*items, Contains(TuningItem{kName, "seqiv(rfc4106-gcm-aesni-avx)",
                                          "pcrypt(seqiv(rfc4106-gcm-aesni-avx))",
                                          "SAs of aes128gcm16 are to get it"}));
  EXPECT_THAT(*items,
              Contains(TuningItem{kMasks + "pencrypt/parallel_cpumask", "", "e", "CPUs 1-3"}));
  EXPECT_TRUE(kernel_.requests.empty());
}

TEST_F(TuningTest, WhatWasAppliedIsAsItWasWanted) {
  apply_and([&](Journal& journal) {
    const auto items = compare(tuning_, kernel_);
    ASSERT_TRUE(items);
    for (const TuningItem& each : *items) EXPECT_EQ(each.now, each.wanted) << each.what;
    EXPECT_EQ(kernel_.add_sa(kName), "pcrypt(seqiv(rfc4106-gcm-aesni-avx))");
    kernel_.remove_sa("pcrypt(seqiv(rfc4106-gcm-aesni-avx))");
    ASSERT_TRUE(undo(journal, kernel_));
  });
  EXPECT_EQ(kernel_.add_sa(kName), "seqiv(rfc4106-gcm-aesni-avx)");
  EXPECT_EQ(kernel_.settings[kMasks + "pdecrypt/parallel_cpumask"], "f");
}

TEST_F(TuningTest, AnotherApplyTakesThePlaceOfTheFirst) {
  apply_and([](Journal&) {});
  tuning_.parallel_cpus.reset();
  tuning_.serial_cpus = "0";
  tuning_.first.clear();
  apply_and([](Journal&) {});
  EXPECT_EQ(kernel_.settings[kMasks + "pencrypt/parallel_cpumask"], "f");
  EXPECT_EQ(kernel_.settings[kMasks + "pencrypt/serial_cpumask"], "1");
  EXPECT_EQ(kernel_.add_sa(kName), "seqiv(rfc4106-gcm-aesni-avx)");
}

TEST_F(TuningTest, WhatCannotBeIsToldBeforeAnythingIsChanged) {
  tuning_.parallel_cpus = "all";
  EXPECT_THAT(compare(tuning_, kernel_).error().message, HasSubstr("'all' is no set of CPUs"));
  tuning_.parallel_cpus.reset();
  tuning_.first = {*parse_first_driver("aes128gcm16=caam")};
  const auto items = compare(tuning_, kernel_);
  ASSERT_TRUE(items);
  EXPECT_THAT(items->back().why, HasSubstr("no driver caam"));
}

TEST(FirstDriver, IsReadAsItIsWritten) {
  const auto gcm = parse_first_driver("aes128gcm16=x");
  ASSERT_TRUE(gcm);
  EXPECT_TRUE(gcm->esn);
  EXPECT_EQ(gcm->driver, "x");
  EXPECT_FALSE(parse_first_driver("aes128-sha1/no-esn=x")->esn);
  for (const char* text : {"", "aes128gcm16", "aes128gcm16=", "=x", "aes999=x", "x=y=z"})
    EXPECT_FALSE(parse_first_driver(text)) << text;
}

}  // namespace
}  // namespace espalier::steer
