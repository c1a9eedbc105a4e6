// SPDX-License-Identifier: Apache-2.0
#include <mock_backend.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace espalier::mock {
namespace {

TEST(MockBackend, StandsInForABackendBehindTheTable) {
  using ::testing::Return;
  auto mock = std::make_unique<::testing::StrictMock<MockBackend>>();
  auto info = sdk::sized<espalier_device_info>();
  info.id = 42;
  EXPECT_CALL(*mock, enumerate()).WillOnce([&] {
    return sdk::Result<std::vector<espalier_device_info>>(std::vector{info});
  });
  EXPECT_CALL(*mock, open(42))
      .WillOnce([](std::uint64_t) -> sdk::Result<std::unique_ptr<sdk::Device>> {
        return sdk::Refusal{ESPALIER_PERMISSION, "locked"};
      });
  const auto* table = sdk::table::expose(std::move(mock));
  auto seen = sdk::sized<espalier_device_info>();
  std::uint32_t count = 0;
  EXPECT_EQ(table->enumerate(table->self, &seen, 1, &count, nullptr), ESPALIER_OK);
  EXPECT_EQ(seen.id, 42u);
  void* device = nullptr;
  char text[32];
  espalier_message message{text, sizeof(text)};
  EXPECT_EQ(table->userspace->device_open(table->self, seen.id, &device, &message),
            ESPALIER_PERMISSION);
  EXPECT_STREQ(text, "locked");
  table->close(table->self);
}

}  // namespace
}  // namespace espalier::mock
