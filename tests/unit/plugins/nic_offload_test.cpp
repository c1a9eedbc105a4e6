// SPDX-License-Identifier: Apache-2.0
#include <drivers.hpp>

#include <espalier/plugin.hpp>

#include <gtest/gtest.h>

namespace espalier::nic_offload {
namespace {

// An SA that every driver takes, outbound.
espalier_sa gcm() {
  auto sa = sdk::sized<espalier_sa>();
  sa.cipher = ESPALIER_CIPHER_AES_GCM;
  sa.integrity = ESPALIER_INTEGRITY_NONE;
  sa.key_bits = 128;
  sa.icv_bytes = 16;
  sa.direction = ESPALIER_OUTBOUND;
  sa.mode = ESPALIER_TRANSPORT;
  sa.encapsulation = ESPALIER_ENCAP_NONE;
  sa.family = ESPALIER_IPV4;
  return sa;
}

TEST(NicDrivers, AllTakeAes128GcmOutbound) {
  for (const char* name : {"mlx5_core", "ixgbe", "ixgbevf", "cxgb4", "nfp", "rvu-nicpf",
                           "netdevsim", "one that nobody knows"})
    EXPECT_TRUE(takes(driver(name), gcm())) << name;
}

TEST(NicDrivers, DifferInEsn) {
  espalier_sa sa = gcm();
  sa.esn = 1;
  EXPECT_TRUE(takes(driver("mlx5_core"), sa));
  EXPECT_TRUE(takes(driver("cxgb4"), sa));
  for (const char* name : {"ixgbe", "nfp", "rvu-nicpf", "netdevsim", "unknown"})
    EXPECT_FALSE(takes(driver(name), sa)) << name;
}

TEST(NicDrivers, DifferInModesWaysAndKeys) {
  espalier_sa tunnel = gcm();
  tunnel.mode = ESPALIER_TUNNEL;
  EXPECT_FALSE(takes(driver("ixgbe"), tunnel));
  EXPECT_TRUE(takes(driver("netdevsim"), tunnel));
  espalier_sa in = gcm();
  in.direction = ESPALIER_INBOUND;
  EXPECT_FALSE(takes(driver("rvu-nicpf"), in));
  espalier_sa long_key = gcm();
  long_key.key_bits = 256;
  EXPECT_FALSE(takes(driver("ixgbe"), long_key));
  EXPECT_TRUE(takes(driver("mlx5_core"), long_key));
}

TEST(NicDrivers, NoneTakesEspInUdpOr3Des) {
  for (const char* name : {"mlx5_core", "ixgbe", "cxgb4", "nfp", "netdevsim"}) {
    espalier_sa udp = gcm();
    udp.encapsulation = ESPALIER_ENCAP_UDP;
    EXPECT_FALSE(takes(driver(name), udp)) << name;
    espalier_sa des = gcm();
    des.cipher = ESPALIER_CIPHER_3DES_CBC;
    des.integrity = ESPALIER_INTEGRITY_HMAC_SHA1;
    des.key_bits = 192;
    des.icv_bytes = 12;
    EXPECT_FALSE(takes(driver(name), des)) << name;
  }
}

TEST(NicDrivers, HaveTablesThatWaysShareOrDoNot) {
  const auto& shared = driver("netdevsim").pools;
  ASSERT_EQ(shared.size(), 1U);
  EXPECT_EQ(shared[0].capacity, 33U);
  EXPECT_EQ(shared[0].directions, 3U);
  EXPECT_EQ(driver("ixgbe").pools.size(), 2U);
  EXPECT_TRUE(driver("mlx5_core").pools.empty()) << "its firmware knows, and tells nobody";
}

}  // namespace
}  // namespace espalier::nic_offload
