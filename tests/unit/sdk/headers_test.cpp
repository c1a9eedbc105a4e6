// SPDX-License-Identifier: Apache-2.0
//
// What vendors compile with: the C header as C11, the C++ layer as C++17, with each compiler here.
#include "abi_layout.h"

#include <gtest/gtest.h>
#include <unit/places.hpp>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace {

constexpr const char* kWarnings = " -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror";

bool is_there(const std::string& compiler) {
  return std::system((compiler + " --version >/dev/null 2>&1").c_str()) == 0;
}

// Compiles `source` (a file, or text on the standard input) without making anything of it.
void expect_compiling(const std::vector<std::string>& compilers, const std::string& standard,
                      const std::string& source) {
  int tried = 0;
  for (const auto& compiler : compilers) {
    if (!is_there(compiler)) continue;
    ++tried;
    const std::string command = compiler + " -std=" + standard + kWarnings +
                                " -fsyntax-only -I'" ESPALIER_SOURCE_DIR "/sdk/include' " + source;
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
  }
  if (tried == 0) GTEST_SKIP() << "no compiler on this machine";
}

const std::vector<std::string> kC = {"gcc", "clang", "clang-19"};
const std::vector<std::string> kCxx = {"g++", "clang++", "clang++-19"};

TEST(AbiHeader, HasItsLayoutInC11) {
  expect_compiling(kC, "c11", "-x c '" ESPALIER_SOURCE_DIR "/tests/unit/sdk/abi_layout.h'");
}

TEST(AbiHeader, IsWholeByItself) {
  const std::string header = "'" ESPALIER_SOURCE_DIR "/sdk/include/espalier/abi.h'";
  expect_compiling(kC, "c11", "-x c " + header);
  expect_compiling(kCxx, "c++17", "-x c++ " + header);
}

TEST(AbiHeader, IsShortEnoughToBeRead) {
  std::FILE* const file = std::fopen(ESPALIER_SOURCE_DIR "/sdk/include/espalier/abi.h", "r");
  ASSERT_NE(file, nullptr);
  int lines = 0;
  for (int c = 0; (c = std::fgetc(file)) != EOF;) lines += c == '\n' ? 1 : 0;
  std::fclose(file);
  EXPECT_LE(lines, 250);
}

TEST(PluginHeader, CompilesAsCxx17) {
  expect_compiling(kCxx, "c++17", "'" ESPALIER_SOURCE_DIR "/tests/plugins/good.cpp'");
}

// What vendors include, each header by itself. The mocks are for the tests of vendors as well.
TEST(SdkHeaders, EachStandsAloneAsCxx17) {
  namespace fs = std::filesystem;
  for (const char* folder : {"/sdk/include/espalier", "/sdk/mock"}) {
    for (const auto& entry : fs::directory_iterator(ESPALIER_SOURCE_DIR + std::string(folder))) {
      expect_compiling(kCxx, "c++17",
                       "-I'" ESPALIER_SOURCE_DIR "/sdk/mock' -include '" + entry.path().string() +
                           "' -x c++ /dev/null");
    }
  }
}

// What `nm` says that a plugin defines for others.
std::vector<std::string> exported(const std::string& plugin) {
  const std::string command = "nm -D --defined-only --format=posix '" ESPALIER_BINARY_DIR
                              "/tests/plugins/" +
                              plugin + ".so'";
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::vector<std::string> names;
  char line[4096];
  while (pipe && std::fgets(line, sizeof(line), pipe.get()) != nullptr)
    names.push_back(std::string(line).substr(0, std::string(line).find(' ')));
  return names;
}

TEST(PluginCmake, ExportsTheOneSymbolOnly) {
  if (!is_there("nm")) GTEST_SKIP() << "there is no 'nm' on this machine";
  EXPECT_EQ(exported("good"), std::vector<std::string>{"espalier_plugin"});
  EXPECT_EQ(exported("plain"), std::vector<std::string>{"espalier_plugin"});
  EXPECT_EQ(exported("no_symbol"), std::vector<std::string>{}) << "not even what asks for it";
}

}  // namespace
