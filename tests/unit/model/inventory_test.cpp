// SPDX-License-Identifier: Apache-2.0
#include <espalier/abi.h>
#include <espalier/inventory.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unit/places.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace espalier {
namespace {

using testing::HasSubstr;

// Every field has a value of its own, none the default.
Inventory full_inventory() {
  Capability able{.cipher = Cipher::aes_cbc,
                  .integrity = Integrity::hmac_sha384,
                  .key_bits = ESPALIER_KEY_128 | ESPALIER_KEY_ANY,
                  .icv_bytes = ESPALIER_ICV(24) | ESPALIER_ICV(8),
                  .directions = ESPALIER_INBOUND,
                  .modes = ESPALIER_TRANSPORT,
                  .encapsulations = ESPALIER_ENCAP_UDP,
                  .families = ESPALIER_IPV6,
                  .esn = 2,
                  .max_replay_window = 256,
                  .max_length = 9000,
                  .score = 321};
  Device device{.name = "eth2",
                .description = "a card",
                .id = 0xfedcba9876543210,
                .dataplane = Dataplane::kernel,
                .asynchronous = true,
                .needs_dma = true,
                .numa_node = 1,
                .interface = "eth2",
                .state = DeviceState::quarantined,
                .state_reason = "hung",
                .retry_in_ms = 1500,
                .capabilities = {able, Capability{}},
                .pools = {{"rx", PoolKind::sas, ESPALIER_INBOUND, PoolUse::live, 1024, 17},
                          {"tx", PoolKind::mbps, 3, PoolUse::unknown, kUnlimited, 0}}};
  return {.dataplane = Dataplane::kernel,
          .backends = {{"nic", "ACME", "1.2", "/lib/nic.so", "", {device}},
                       {"bad", "", "", "/lib/bad.so", "mode 0777", {}}},
          .refusals = {{"nic", "eth2", "a/in", ErrorCode::capacity, "table full"}},
          .load = {{"nic", 17}}};
}

std::string complaint(const std::string& text) {
  const auto inventory = inventory_from_json(text);
  if (inventory) return "";
  EXPECT_EQ(inventory.error().code, ErrorCode::invalid);
  return inventory.error().message;
}

std::string with(const std::string& members) {
  return R"({"format": "espalier-inventory", "version": 1, "dataplane": "kernel", )" + members +
         "}";
}

std::string with_device(const std::string& members) {
  return with(R"("backends": [{"name": "b", "devices": [{"name": "d", "dataplane": "kernel", )" +
              members + "}]}]");
}

const std::string kCapability =
    R"("cipher": "aes-gcm", "integrity": "none", "key_bits": [128], "icv_bytes": [16],
       "directions": ["inbound"], "modes": ["tunnel"], "encapsulations": ["none"],
       "families": ["ipv4"], "esn": ["off"], "score": 1)";

TEST(InventoryJson, IsReadBackAsItWas) {
  const Inventory inventory = full_inventory();
  const std::string text = to_json(inventory);
  const auto again = inventory_from_json(text);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again, inventory);
  EXPECT_EQ(to_json(*again), text);
}

Inventory with_one_device(const Device& device) {
  Inventory inventory;
  inventory.backends.emplace_back().devices = {device};
  return inventory;
}

void expect_kept(const Inventory& inventory) {
  const auto again = inventory_from_json(to_json(inventory));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again, inventory);
}

TEST(InventoryJson, KeepsEveryAlgorithm) {
  Device device;
  for (int cipher = 1; cipher <= static_cast<int>(Cipher::aes_gmac); ++cipher)
    for (int integrity = 1; integrity <= static_cast<int>(Integrity::hmac_sha512); ++integrity) {
      Capability& able = device.capabilities.emplace_back();
      able.cipher = static_cast<Cipher>(cipher);
      able.integrity = static_cast<Integrity>(integrity);
    }
  expect_kept(with_one_device(device));
}

TEST(InventoryJson, KeepsEveryStateAndPool) {
  for (int state = 1; state <= static_cast<int>(DeviceState::quarantined); ++state) {
    Device device;
    device.state = static_cast<DeviceState>(state);
    for (int kind = 1; kind <= static_cast<int>(PoolKind::mbps); ++kind)
      for (int use = 1; use <= static_cast<int>(PoolUse::unknown); ++use)
        device.pools.push_back(
            {"p", static_cast<PoolKind>(kind), 3, static_cast<PoolUse>(use), kUnlimited, 0});
    expect_kept(with_one_device(device));
  }
}

TEST(InventoryJson, KeepsEveryClassOfRefusal) {
  Inventory inventory;
  for (int code = 0; code <= static_cast<int>(ErrorCode::invalid); ++code)
    inventory.refusals.push_back({"b", "d", "", static_cast<ErrorCode>(code), "words"});
  expect_kept(inventory);
}

TEST(InventoryJson, WritesWordsThatAPersonCanRead) {
  const std::string text = to_json(full_inventory());
  EXPECT_THAT(text, HasSubstr(R"("key_bits": [128, "any"])"));
  EXPECT_THAT(text, HasSubstr(R"("icv_bytes": [8, 24])"));
  EXPECT_THAT(text, HasSubstr(R"("capacity": "unlimited")"));
  EXPECT_THAT(text, HasSubstr(R"("esn": ["on"])"));
}

TEST(InventoryJson, MayLeaveOutWhatHasAPlainDefault) {
  const auto inventory = inventory_from_json(
      with_device(R"("capabilities": [{)" + kCapability +
                  R"(}], "pools": [{"name": "p", "kind": "sas", "directions": ["inbound"],
                                    "capacity": 5}])"));
  ASSERT_TRUE(inventory) << inventory.error().message;
  const Device& device = inventory->backends.at(0).devices.at(0);
  EXPECT_EQ(device.state, DeviceState::up);
  EXPECT_EQ(device.numa_node, -1);
  EXPECT_EQ(device.capabilities.at(0).max_replay_window, 0U);
  EXPECT_EQ(device.pools.at(0).use, PoolUse::counted);
  EXPECT_EQ(device.pools.at(0).capacity, 5U);
  EXPECT_TRUE(inventory->refusals.empty());
}

TEST(InventoryJson, AllowsAComment) {
  EXPECT_EQ(complaint(with(R"("comment": "the box in rack 3", "backends": [])")), "");
}

TEST(InventoryJson, RefusesOtherFormatsAndVersions) {
  EXPECT_EQ(complaint(R"({"format": "x", "version": 1})"),
            "inventory: format: expected 'espalier-inventory', got 'x': is this another file?");
  EXPECT_EQ(complaint(R"({"format": "espalier-inventory", "version": 2})"),
            "inventory: version: this program reads version 1, the file is of version 2; save it "
            "anew with 'espalier probe --save'");
  EXPECT_EQ(complaint(R"({"version": 1})"), "inventory: top level: the key 'format' is missing");
}

TEST(InventoryJson, NamesThePlaceOfWhatIsWrong) {
  EXPECT_EQ(complaint(with(R"("backends": [{"devices": []}])")),
            "inventory: backends[0]: the key 'name' is missing");
  EXPECT_EQ(complaint(with(R"("backends": [{"name": 5, "devices": []}])")),
            "inventory: backends[0].name: expected a text, got 5");
  EXPECT_EQ(complaint(with(R"("backends": {})")), "inventory: backends: expected a list, got {}");
  EXPECT_EQ(complaint(with(R"("backends": [7])")),
            "inventory: backends[0]: expected an object, got 7");
  EXPECT_EQ(complaint(with_device(R"("asynchronous": 1, "capabilities": [])")),
            "inventory: backends[0].devices[0].asynchronous: expected true or false, got 1");
}

TEST(InventoryJson, RefusesUnknownKeysAndSuggestsTheKnownOne) {
  EXPECT_EQ(complaint(with(R"("backends": [], "refusal": [])")),
            "inventory: top level: unknown key 'refusal'; did you mean 'refusals'?");
  EXPECT_EQ(complaint(with_device(R"("capabilities": [{)" + kCapability + R"(, "scores": 3}])")),
            "inventory: backends[0].devices[0].capabilities[0]: unknown key 'scores'; did you mean "
            "'score'?");
}

TEST(InventoryJson, RefusesUnknownWordsAndSuggestsTheKnownOne) {
  EXPECT_EQ(complaint(with_device(R"("state": "dwon", "capabilities": [])")),
            "inventory: backends[0].devices[0].state: \"dwon\" is not one of: up, down, degraded, "
            "lost, quarantined; did you mean 'down'?");
  std::string odd_key = kCapability;
  odd_key.replace(odd_key.find("[128]"), 5, "[130]");
  EXPECT_THAT(complaint(with_device(R"("capabilities": [{)" + odd_key + "}]")),
              HasSubstr("capabilities[0].key_bits[0]: 130 is not one of: 128, 192, 256, any"));
  EXPECT_THAT(complaint(with(R"("backends": [], "refusals": [{"backend": "b", "device": "d",
                                  "code": "io"}])")),
              HasSubstr("refusals[0].code: \"io\" is not one of: unsupported, capacity"));
}

TEST(InventoryJson, RefusesNumbersThatDoNotFit) {
  for (const char* const number : {"-1", "1.5", "18446744073709551616", "\"5\"", "true", "null"})
    EXPECT_THAT(complaint(with(std::string(R"("backends": [], "load": [{"backend": "b", "sas": )") +
                               number + "}]")),
                HasSubstr("load[0].sas: expected a whole number from 0 to 18446744073709551615"))
        << number;
  EXPECT_THAT(complaint(with_device(R"("numa_node": 2147483648, "capabilities": [])")),
              HasSubstr("numa_node: expected a whole number from -2147483648 to 2147483647"));
}

TEST(InventoryJson, SurvivesWhatIsNoJson) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("null"),
        std::string("{\"a\": \"\xff\"}"), std::string(100000, '['), std::string("\0", 1)})
    EXPECT_THAT(complaint(text), testing::StartsWith("inventory: ")) << text.substr(0, 20);
  EXPECT_THAT(complaint("{\n  \"a\": ,"), HasSubstr("line 2"));
}

TEST(InventoryJson, RefusesAKeyThatStandsTwice) {
  EXPECT_EQ(complaint(with(R"("backends": [], "dataplane": "userspace")")),
            "inventory: the key \"dataplane\" stands twice in one object");
  EXPECT_EQ(complaint(with(R"("backends": [{"name": "a", "devices": []},
                                           {"name": "b", "devices": []}])")),
            "");
}

TEST(InventoryJson, RefusesWhatIsNestedTooDeep) {
  const std::string deep = std::string(200000, '[') + std::string(200000, ']');
  EXPECT_THAT(complaint(with("\"backends\": " + deep)), HasSubstr("nested deeper than"));
}

TEST(InventoryJson, KeepsItsComplaintsShort) {
  const std::string name(100000, 'x');
  EXPECT_LT(complaint(with("\"backends\": [], \"" + name + "\": 1")).size(), 300U);
  EXPECT_LT(complaint(with("\"backends\": \"" + name + "\"")).size(), 300U);
  EXPECT_LT(complaint("{\"" + name).size(), 500U);
}

TEST(InventoryFiles, OfTheRepositoryAreAllRead) {
  int files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(ESPALIER_SOURCE_DIR "/configs/inventories")) {
    if (entry.path().extension() != ".json") continue;
    ++files;
    std::ifstream in(entry.path());
    const std::string text(std::istreambuf_iterator<char>(in), {});
    EXPECT_EQ(complaint(text), "") << entry.path();
    EXPECT_THAT(text, HasSubstr("\"comment\"")) << entry.path() << " says not what it stands for";
  }
  EXPECT_GE(files, 6);
}

}  // namespace
}  // namespace espalier
