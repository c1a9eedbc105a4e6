// SPDX-License-Identifier: Apache-2.0
//
// The plugin files as they are shipped: through preflight, probe and loading, with keys in the
// framework's own secret memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <espalier/registry.hpp>
#include <espalier/transform.hpp>
#include <unit/places.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

namespace espalier {
namespace {

// The plugins of this build, with those options of `fault`.
Result<std::unique_ptr<Registry>> load(SecretPool& secrets, const std::string& fault_options) {
  RegistryOptions options;
  options.folders = {ESPALIER_BINARY_DIR "/plugins"};
  options.probe_helper = ESPALIER_BINARY_DIR "/bin/espalier-probe";
  options.backend_options = {{"fault", fault_options}};
  return Registry::load(options, secrets);
}

BackendInfo info_of(const Registry& registry, std::string_view backend) {
  const auto backends = registry.backends();
  const auto found = std::ranges::find(backends, backend, &BackendInfo::name);
  EXPECT_NE(found, backends.end()) << backend;
  return found == backends.end() ? BackendInfo{} : *found;
}

class Loaded : public testing::TestWithParam<const char*> {};

TEST_P(Loaded, PassesThePreflightAndTheProbeAndOpensASession) {
  auto secrets = SecretPool::create();
  ASSERT_TRUE(secrets) << secrets.error().message;
  const auto registry = load(**secrets, R"({"backend": "openssl"})");
  ASSERT_TRUE(registry) << registry.error().message;
  const auto info = info_of(**registry, GetParam());
  EXPECT_EQ(info.rejected, "");
  ASSERT_EQ(info.devices.size(), 1U);
  EXPECT_EQ(info.devices.front().name, "cpu");

  auto device = (*registry)->open(GetParam(), "cpu");
  ASSERT_TRUE(device) << device.error().message;
  const auto transform = find_transform("aes256gcm16");
  ASSERT_TRUE(transform);
  SaSpec sa;
  sa.transform = (*transform)->transform;
  SaKeys keys;
  keys.cipher = std::move(*SecretBytes::random(**secrets, 32));
  keys.salt = std::move(*SecretBytes::random(**secrets, 4));
  const auto session = (*device)->open_session(sa, keys);
  EXPECT_TRUE(session) << session.error().message;
}

INSTANTIATE_TEST_SUITE_P(Backends, Loaded, testing::Values("openssl", "aesni", "fault"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST(LoadedFault, OverABackendThatIsNotThereIsRejectedInItsProbe) {
  auto secrets = SecretPool::create();
  ASSERT_TRUE(secrets) << secrets.error().message;
  const auto registry = load(**secrets, R"({"backend": "nobody"})");
  ASSERT_TRUE(registry) << registry.error().message;
  EXPECT_THAT(info_of(**registry, "fault").rejected,
              testing::HasSubstr("there is no plugin file of backend 'nobody'"));
}

}  // namespace
}  // namespace espalier
