// SPDX-License-Identifier: Apache-2.0
//
// Tests of somebody who uses the library, with the mock kit of the installed prefix alone.
#include <fake_builder.hpp>
#include <installed_plugin.hpp>
#include <mock_backend.hpp>

#include <espalier/registry.hpp>
#include <espalier/secret.hpp>

#include <gmock/gmock.h>

namespace {

using namespace espalier;

TEST(MockBackend, IsAskedWhatItHas) {
  auto mock = std::make_unique<testing::StrictMock<mock::MockBackend>>();
  auto info = sdk::sized<espalier_device_info>();
  info.id = 42;
  EXPECT_CALL(*mock, enumerate()).WillOnce([&] {
    return sdk::Result<std::vector<espalier_device_info>>(std::vector{info});
  });
  const espalier_backend* table = sdk::table::expose(std::move(mock));
  auto seen = sdk::sized<espalier_device_info>();
  std::uint32_t count = 0;
  EXPECT_EQ(table->enumerate(table->self, &seen, 1, &count, nullptr), ESPALIER_OK);
  EXPECT_EQ(seen.id, 42u);
  table->close(table->self);
}

TEST(FakeBackend, IsABackendOfTheRegistry) {
  const auto secrets = SecretPool::create().value();
  const auto fake = mock::FakeBackendBuilder{}.name("fake").device("card0").build();
  const auto registry = Registry::load({}, *secrets).value();
  ASSERT_TRUE(registry->add_builtin(fake.name(), fake.entry(), fake.options()));
  ASSERT_EQ(registry->backends().size(), 1u);
  EXPECT_EQ(registry->backends()[0].devices[0].name, "card0");
}

TEST(FakeBackend, StartsWithAnInstalledPluginBehindIt) {
  const auto secrets = SecretPool::create().value();
  const auto fake =
      mock::FakeBackendBuilder{}.name("fake").inner(mock::plugin_entry(OPENSSL_PLUGIN)).build();
  const auto registry = Registry::load({}, *secrets).value();
  const auto added = registry->add_builtin(fake.name(), fake.entry(), fake.options());
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_EQ(registry->backends().at(0).rejected, "");
}

TEST(PluginEntry, SaysWhatIsNoPlugin) {
  EXPECT_THROW(mock::plugin_entry("/nonexistent.so"), std::runtime_error);
}

}  // namespace
