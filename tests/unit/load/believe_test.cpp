// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <espalier/plugin.hpp>
#include <load/believe.hpp>
#include <load/try_plugin.hpp>

#include <cstring>
#include <functional>

namespace espalier::load {
namespace {

using ::testing::HasSubstr;

espalier_device_info device() {
  auto said = sdk::sized<espalier_device_info>();
  said.dataplane = ESPALIER_USERSPACE;
  said.id = 5;
  said.flags = ESPALIER_DEVICE_ASYNC | ESPALIER_DEVICE_NEEDS_DMA;
  said.numa_node = 1;
  sdk::copy_text(said.name, "0000:3d:00.0");
  sdk::copy_text(said.description, "a card");
  sdk::copy_text(said.interface, "eth0");
  return said;
}

espalier_capability capability() {
  auto said = sdk::sized<espalier_capability>();
  said.cipher = ESPALIER_CIPHER_AES_CBC;
  said.integrity = ESPALIER_INTEGRITY_HMAC_SHA512;
  said.key_bits = ESPALIER_KEY_128 | ESPALIER_KEY_192 | ESPALIER_KEY_256;
  said.icv_bytes =
      ESPALIER_ICV(8) | ESPALIER_ICV(12) | ESPALIER_ICV(16) | ESPALIER_ICV(24) | ESPALIER_ICV(32);
  said.directions = 3;
  said.modes = 3;
  said.encapsulations = 3;
  said.families = 3;
  said.esn = 3;
  said.max_replay_window = 2048;
  said.max_length = 9000;
  said.score = 1000;
  return said;
}

espalier_pool pool() {
  auto said = sdk::sized<espalier_pool>();
  said.kind = ESPALIER_POOL_SAS;
  said.directions = ESPALIER_INBOUND;
  said.use = ESPALIER_USE_LIVE;
  said.capacity = UINT64_MAX;
  said.used = 7;
  sdk::copy_text(said.name, "rx");
  return said;
}

TEST(Belief, CarriesEveryFieldOfADevice) {
  const Device known = believe(device()).value();
  EXPECT_EQ(known.name, "0000:3d:00.0");
  EXPECT_EQ(known.description, "a card");
  EXPECT_EQ(known.interface, "eth0");
  EXPECT_EQ(known.id, 5u);
  EXPECT_EQ(known.dataplane, Dataplane::userspace);
  EXPECT_TRUE(known.asynchronous);
  EXPECT_TRUE(known.needs_dma);
  EXPECT_EQ(known.numa_node, 1);
}

TEST(Belief, CarriesEveryFieldOfACapability) {
  const Capability known = believe(capability()).value();
  EXPECT_EQ(known, (Capability{.cipher = Cipher::aes_cbc,
                               .integrity = Integrity::hmac_sha512,
                               .key_bits = 7,
                               .icv_bytes = 0x15c,
                               .directions = 3,
                               .modes = 3,
                               .encapsulations = 3,
                               .families = 3,
                               .esn = 3,
                               .max_replay_window = 2048,
                               .max_length = 9000,
                               .score = 1000}));
}

TEST(Belief, CarriesEveryFieldOfAPool) {
  EXPECT_EQ(believe(pool()).value(), (CapacityPool{.name = "rx",
                                                   .kind = PoolKind::sas,
                                                   .directions = 2,
                                                   .use = PoolUse::live,
                                                   .capacity = kUnlimited,
                                                   .used = 7}));
}

TEST(Belief, CountsThePoolsItselfThatTheDeviceDoesNot) {
  auto said = pool();
  said.use = ESPALIER_USE_COUNTED;
  EXPECT_EQ(believe(said)->used, 0u);
}

template <class T>
std::string why_not(T said, const std::function<void(T&)>& lie) {
  lie(said);
  const auto believed = believe(said);
  return believed ? "" : believed.error().message;
}

using D = espalier_device_info;
using C = espalier_capability;
using P = espalier_pool;

TEST(Disbelief, NamesTheLieOfADevice) {
  const auto of = [](std::function<void(D&)> lie) { return why_not<D>(device(), lie); };
  EXPECT_THAT(of([](D& d) { d.struct_size -= 1; }), HasSubstr("struct_size"));
  EXPECT_THAT(of([](D& d) { std::memset(d.name, 'x', sizeof(d.name)); }), HasSubstr("device name"));
  EXPECT_THAT(of([](D& d) { sdk::copy_text(d.name, ""); }), HasSubstr("device name"));
  EXPECT_THAT(of([](D& d) { sdk::copy_text(d.name, "a b"); }), HasSubstr("device name"));
  EXPECT_THAT(of([](D& d) { sdk::copy_text(d.description, "\x1b[2J"); }), HasSubstr("description"));
  EXPECT_THAT(of([](D& d) {
                d.interface[15] = 'x', d.interface[4] = 'x';
                std::memset(d.interface, 'x', sizeof(d.interface));
              }),
              HasSubstr("interface"));
  EXPECT_THAT(of([](D& d) { d.dataplane = 0; }), HasSubstr("dataplane"));
  EXPECT_THAT(of([](D& d) { d.flags = 4; }), HasSubstr("flags"));
}

TEST(Disbelief, NamesTheLieOfACapability) {
  const auto of = [](std::function<void(C&)> lie) { return why_not<C>(capability(), lie); };
  EXPECT_THAT(of([](C& c) { c.struct_size = 0; }), HasSubstr("struct_size 0"));
  EXPECT_THAT(of([](C& c) { c.cipher = 0; }), HasSubstr("cipher is 0"));
  EXPECT_THAT(of([](C& c) { c.cipher = 8; }), HasSubstr("cipher is 8"));
  EXPECT_THAT(of([](C& c) { c.integrity = 7; }), HasSubstr("integrity is 7"));
  EXPECT_THAT(of([](C& c) { c.cipher = ESPALIER_CIPHER_AES_GCM; }), HasSubstr("pairs"));
  EXPECT_THAT(of([](C& c) { c.integrity = ESPALIER_INTEGRITY_NONE; }), HasSubstr("pairs"));
  EXPECT_THAT(of([](C& c) { c.key_bits = 0; }), HasSubstr("key_bits"));
  EXPECT_THAT(of([](C& c) { c.icv_bytes = ESPALIER_ICV(20); }), HasSubstr("icv_bytes"));
  EXPECT_THAT(of([](C& c) { c.directions = 4; }), HasSubstr("directions"));
  EXPECT_THAT(of([](C& c) { c.modes = 0; }), HasSubstr("modes"));
  EXPECT_THAT(of([](C& c) { c.encapsulations = 0x80000000; }), HasSubstr("encapsulations"));
  EXPECT_THAT(of([](C& c) { c.families = 7; }), HasSubstr("families"));
  EXPECT_THAT(of([](C& c) { c.esn = 0; }), HasSubstr("esn"));
  EXPECT_THAT(of([](C& c) { c.score = 1001; }), HasSubstr("score"));
}

TEST(Disbelief, NamesTheLieOfAPool) {
  const auto of = [](std::function<void(P&)> lie) { return why_not<P>(pool(), lie); };
  EXPECT_THAT(of([](P& p) { p.struct_size = 1; }), HasSubstr("struct_size"));
  EXPECT_THAT(of([](P& p) { p.kind = 4; }), HasSubstr("kind of pool"));
  EXPECT_THAT(of([](P& p) { p.directions = 0; }), HasSubstr("directions"));
  EXPECT_THAT(of([](P& p) { p.use = 0; }), HasSubstr("use of a pool"));
  EXPECT_THAT(of([](P& p) { sdk::copy_text(p.name, ""); }), HasSubstr("name of a pool"));
  EXPECT_THAT(of([](P& p) { p.capacity = 6; }), HasSubstr("7 of 6"));
}

TEST(Disbelief, NamesTheLieOfHealth) {
  Device known;
  auto said = sdk::sized<espalier_health>();
  EXPECT_FALSE(believe(said, known)) << "state 0";
  said.state = 5;
  EXPECT_FALSE(believe(said, known)) << "quarantined is the framework's word";
  said.state = ESPALIER_UP;
  std::memset(said.reason, 'x', sizeof(said.reason));
  EXPECT_FALSE(believe(said, known));
}

// Everything that is believed must also survive the way from the probe.
TEST(Report, BringsBackWhatWasBelieved) {
  BackendInfo backend{.name = "card",
                      .vendor = "A",
                      .version = "1",
                      .path = "",
                      .rejected = "",
                      .devices = {believe(device()).value()}};
  backend.devices[0].capabilities = {believe(capability()).value()};
  backend.devices[0].pools = {believe(pool()).value()};
  backend.devices[0].state = DeviceState::lost;
  backend.devices[0].state_reason = "gone";
  EXPECT_EQ(from_report(to_report(backend)).value(), backend);
}

TEST(Report, IsOfOneBackend) {
  EXPECT_FALSE(from_report(to_json(Inventory{})));
  EXPECT_FALSE(from_report(""));
}

}  // namespace
}  // namespace espalier::load
