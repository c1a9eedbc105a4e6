// SPDX-License-Identifier: Apache-2.0
//
// Whole bad files, and everything that is said about them: tests/data/config/bad/NAME.toml and
// NAME.findings beside it. ESPALIER_UPDATE_GOLDEN=1 writes the latter anew, for review.
#include <unit/places.hpp>

#include <algorithm>
#include <cstdlib>

#include "config_fixture.hpp"

namespace espalier {
namespace {

const std::filesystem::path kBad = std::filesystem::path(ESPALIER_TEST_DATA) / "config/bad";

std::vector<std::string> bad_files() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kBad))
    if (entry.path().extension() == ".toml") names.push_back(entry.path().stem().string());
  std::ranges::sort(names);
  return names;
}

class BadFile : public ConfigTest, public testing::WithParamInterface<std::string> {};

TEST_P(BadFile, IsRefusedWithAllItsFindings) {
  // A copy, because git keeps no modes, and the folder, because of includes.
  std::filesystem::copy(kBad, folder_, std::filesystem::copy_options::recursive);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_))
    if (entry.is_regular_file()) ::chmod(entry.path().c_str(), 0600);
  const ConfigReading reading = read_config(folder_ / (GetParam() + ".toml"), *secrets_);
  EXPECT_FALSE(reading.config);
  std::string findings;
  for (const std::string& sentence : sentences(reading)) findings += sentence + "\n";
  const std::filesystem::path golden = kBad / (GetParam() + ".findings");
  if (std::getenv("ESPALIER_UPDATE_GOLDEN")) std::ofstream(golden) << findings;
  EXPECT_EQ(findings, read_text(golden));
}

INSTANTIATE_TEST_SUITE_P(Config, BadFile, testing::ValuesIn(bad_files()), [](const auto& test) {
  std::string name = test.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace espalier
