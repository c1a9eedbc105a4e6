// SPDX-License-Identifier: Apache-2.0
#include "observe/render.hpp"

#include "unit/observe/sas.hpp"

#include <espalier/abi.h>
#include <espalier/transform.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace espalier {
namespace {

using testing::HasSubstr;
using testing::Not;

Inventory inventory() {
  Device device;
  device.name = "cpu";
  device.description = "a fast one";
  device.capabilities.push_back({.cipher = Cipher::aes_gcm,
                                 .integrity = Integrity::none,
                                 .key_bits = ESPALIER_KEY_256,
                                 .icv_bytes = ESPALIER_ICV(16) | ESPALIER_ICV(8)});
  device.capabilities.push_back({.cipher = Cipher::null,
                                 .integrity = Integrity::hmac_sha256,
                                 .key_bits = ESPALIER_KEY_ANY,
                                 .icv_bytes = ESPALIER_ICV(16)});
  device.pools.push_back({"sas", PoolKind::sas, 3, PoolUse::live, 1024, 12});
  device.pools.push_back({"queues", PoolKind::queues, 3, PoolUse::counted, kUnlimited, 0});
  Device lost = device;
  lost.name = "card0";
  lost.state = DeviceState::quarantined;
  lost.state_reason = "it hung";
  lost.retry_in_ms = 2000;
  lost.asynchronous = true;
  Inventory made;
  made.backends.push_back({"fast", "ACME", "1.2", "/lib/fast.so", "", {device, lost}});
  made.backends.push_back({"none", "", "", "built in", "", {}});
  made.backends.push_back({"bad", "", "", "/lib/bad.so", "its ABI is 9.0", {}});
  return made;
}

TEST(RenderInventory, ShowsDevicesWithWhatTheyCan) {
  EXPECT_EQ(render_inventory(inventory(), {}),
            "fast 1.2 by ACME, /lib/fast.so\n"
            "  cpu (userspace, synchronous): up\n"
            "    a fast one\n"
            "    sas: 12 of 1024 (live)\n"
            "    transforms: aes256gcm16 aes256gcm8 null-sha256\n"
            "  card0 (userspace, asynchronous): quarantined, it hung, asked again in 2000 ms\n"
            "    a fast one\n"
            "    sas: 12 of 1024 (live)\n"
            "    transforms: aes256gcm16 aes256gcm8 null-sha256\n"
            "none, built in\n"
            "  no devices on this machine\n"
            "bad rejected, /lib/bad.so\n"
            "  its ABI is 9.0\n");
}

TEST(RenderInventory, NamesARejectedPluginOnce) {
  BackendInfo bad;
  bad.name = "bad";
  bad.path = "/lib/bad.so";
  bad.rejected = "its ABI is 9.0";
  Inventory inventory;
  inventory.backends = {bad};
  EXPECT_EQ(render_inventory(inventory, {}), "bad rejected, /lib/bad.so\n  its ABI is 9.0\n");
}

TEST(RenderInventory, SaysWhenThereIsNothing) {
  EXPECT_EQ(render_inventory({}, {}), "There are no backends.\n");
}

TEST(RenderPlan, ShowsWhereEachSaWouldGo) {
  const GatewaySa sa = test::gateway_sa("office/out", Direction::outbound);
  Decision homeless = *sa.decision;
  homeless.chosen.reset();
  homeless.rule = "strict";
  homeless.candidates.resize(1);
  const std::array plan = {PlannedSa{sa.spec, *sa.decision}, PlannedSa{sa.spec, homeless}};
  EXPECT_EQ(render_plan(plan, {}),
            "SA          TRANSFORM    RULE    BACKEND  DEVICE  OTHERS\n"
            "office/out  aes256gcm16  -       aesni    cpu     qat: device.absent; openssl/cpu: "
            "not_needed\n"
            "office/out  aes256gcm16  strict  none             qat: device.absent\n");
}

TEST(RenderPlan, AsJsonHoldsTheWholeDecisions) {
  const GatewaySa sa = test::gateway_sa("office/out", Direction::outbound);
  const std::array plan = {PlannedSa{sa.spec, *sa.decision}};
  const auto value = plan_json(plan);
  ASSERT_EQ(value.at("decisions").size(), 1u);
  EXPECT_EQ(value["decisions"][0], nlohmann::ordered_json::parse(to_json(*sa.decision)));
}

TEST(RenderTransforms, HasALineForEach) {
  const std::string text = render_transforms({});
  for (const TransformInfo& info : transforms()) EXPECT_THAT(text, HasSubstr(info.name));
  EXPECT_EQ(transforms_json().at("transforms").size(), transforms().size());
}

TEST(RenderDrops, ShowsWhatIsNotZero) {
  DropCounts counts{};
  EXPECT_EQ(render_drops(drops_json(counts), {}), "No packet was dropped.\n");
  counts[std::size_t(Drop::in_replay)] = 12;
  const std::string text = render_drops(drops_json(counts), {});
  EXPECT_THAT(text, HasSubstr("in_replay       12  XfrmInStateSeqError\n"));
  EXPECT_THAT(text, Not(HasSubstr("in_bad_icv")));
}

TEST(RenderDrops, NamesWhatTheWireCounted) {
  const auto counts = with_wire(drops_json({}), {{"receive_errors", 5U}, {"keepalives", 0U}});
  EXPECT_THAT(render_drops(counts, {}), HasSubstr("wire: receive_errors        5  -\n"));
  EXPECT_THAT(render_drops(counts, {}), Not(HasSubstr("keepalives")));
}

TEST(RenderDrops, TheKernelsNamesHaveTheSumsOfOurs) {
  DropCounts counts{};
  counts[std::size_t(Drop::in_replay)] = 12;
  counts[std::size_t(Drop::in_sequence_zero)] = 3;
  counts[std::size_t(Drop::device_lost)] = 7;
  const auto value = xfrm_stat_json(counts);
  EXPECT_EQ(value.at("XfrmInStateSeqError"), 15);
  EXPECT_EQ(value.at("XfrmInNoStates"), 0);
  EXPECT_FALSE(value.contains("")) << "the kernel counts no lost devices";
}

TEST(RenderDrops, AsJsonHasEveryCounter) {
  const auto value = drops_json(DropCounts{});
  EXPECT_EQ(value.size(), kDropKinds);
  EXPECT_TRUE(value.contains("queue_full"));
}

}  // namespace
}  // namespace espalier
