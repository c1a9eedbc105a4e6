// SPDX-License-Identifier: Apache-2.0
#include "steer/cpu_mask.hpp"

#include <gtest/gtest.h>

namespace espalier::steer {
namespace {

TEST(CpuMask, IsWrittenAsTheKernelReadsIt) {
  EXPECT_EQ(*mask_of_cpus("0"), "1");
  EXPECT_EQ(*mask_of_cpus("0-3,8"), "10f");
  EXPECT_EQ(*mask_of_cpus("8,0-3"), "10f");
  EXPECT_EQ(*mask_of_cpus("31"), "80000000");
  EXPECT_EQ(*mask_of_cpus("32"), "1,00000000");
  EXPECT_EQ(*mask_of_cpus("0,64"), "1,00000000,00000001");
}

TEST(CpuMask, IsReadAsPeopleWriteIt) {
  EXPECT_EQ(*cpus_of_mask("10f"), "0-3,8");
  EXPECT_EQ(*cpus_of_mask("00000001,00000001"), "0,32");
  EXPECT_EQ(*cpus_of_mask("0"), "");
}

TEST(CpuMask, WhatIsNoneIsRefused) {
  for (const char* text : {"", ",", "a", "1-", "-1", "3-1", "0,", "4096", "0-4096", "1 ", "0x3"})
    EXPECT_FALSE(mask_of_cpus(text)) << text;
  for (const char* text : {"", ",", "g", "0x3", " "}) EXPECT_FALSE(cpus_of_mask(text)) << text;
  EXPECT_FALSE(cpus_of_mask("1" + std::string(1024, '0')));
}

TEST(CpuMask, PaddingIsNoDifference) {
  EXPECT_TRUE(same_mask("3", "00000000,00000003"));
  EXPECT_FALSE(same_mask("3", "1"));
  EXPECT_FALSE(same_mask("", ""));
}

}  // namespace
}  // namespace espalier::steer
