// SPDX-License-Identifier: Apache-2.0
//
// The plugin files as they are shipped: through preflight, probe and loading, with keys in the
// framework's own secret memory.
#include <gtest/gtest.h>
#include <espalier/registry.hpp>
#include <espalier/transform.hpp>
#include <unit/places.hpp>

#include <algorithm>

namespace espalier {
namespace {

class Loaded : public testing::TestWithParam<const char*> {};

TEST_P(Loaded, PassesThePreflightAndTheProbeAndOpensASession) {
  auto secrets = SecretPool::create();
  ASSERT_TRUE(secrets) << secrets.error().message;
  RegistryOptions options;
  options.folders = {ESPALIER_BINARY_DIR "/plugins"};
  options.probe_helper = ESPALIER_BINARY_DIR "/bin/espalier-probe";
  options.backend_options = {{"fault", R"({"backend": "openssl"})"}};
  auto registry = Registry::load(options, **secrets);
  ASSERT_TRUE(registry) << registry.error().message;

  const auto backends = (*registry)->backends();
  const auto found = std::ranges::find(backends, GetParam(), &BackendInfo::name);
  ASSERT_NE(found, backends.end());
  EXPECT_EQ(found->rejected, "");
  ASSERT_EQ(found->devices.size(), 1U);
  EXPECT_EQ(found->devices.front().name, "cpu");

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
  RegistryOptions options;
  options.folders = {ESPALIER_BINARY_DIR "/plugins"};
  options.probe_helper = ESPALIER_BINARY_DIR "/bin/espalier-probe";
  options.backend_options = {{"fault", R"({"backend": "nobody"})"}};
  auto registry = Registry::load(options, **secrets);
  ASSERT_TRUE(registry) << registry.error().message;
  const auto backends = (*registry)->backends();
  const auto found = std::ranges::find(backends, "fault", &BackendInfo::name);
  ASSERT_NE(found, backends.end());
  EXPECT_NE(found->rejected.find("there is no plugin file of backend 'nobody'"), std::string::npos)
      << found->rejected;
}

}  // namespace
}  // namespace espalier
