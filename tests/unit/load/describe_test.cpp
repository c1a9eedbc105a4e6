// SPDX-License-Identifier: Apache-2.0
//
// Reading a backend through its table: the parts that tests/plugins does not reach.
#include <gmock/gmock.h>
#include <espalier/plugin.hpp>
#include <load/describe.hpp>
#include <load/table_check.hpp>

#include <memory>

namespace espalier::load {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Cards : public sdk::Backend {
 public:
  sdk::Result<std::vector<espalier_device_info>> enumerate() override {
    std::vector<espalier_device_info> list(count, sdk::sized<espalier_device_info>());
    for (std::size_t i = 0; i < list.size(); ++i) {
      list[i].dataplane = ESPALIER_USERSPACE;
      list[i].id = i;
      sdk::copy_text(list[i].name, "card" + std::to_string(i));
    }
    if (grows) ++count;
    return list;
  }
  sdk::Result<std::vector<espalier_capability>> caps(uint64_t id) override {
    if (id == refusing) return sdk::Refusal{refusal, "pulled out"};
    return std::vector<espalier_capability>{};
  }
  sdk::Result<std::unique_ptr<sdk::Device>> open(uint64_t) override {
    return sdk::Refusal{ESPALIER_UNSUPPORTED, "nobody needs it open"};
  }

  std::size_t count = 1;
  bool grows = false;
  uint64_t refusing = UINT64_MAX;
  espalier_status refusal = ESPALIER_LOST;
};

class DescribeTest : public ::testing::Test {
 protected:
  DescribeTest() : backend(new Cards), table(sdk::table::expose(std::unique_ptr<Cards>(backend))) {}
  ~DescribeTest() override { table->close(table->self); }

  Cards* backend;
  const espalier_backend* table;
};

TEST_F(DescribeTest, ReadsListsOfAnyLength) {
  for (const std::size_t count : {0u, 1u, 16u, 17u, 300u, 4096u}) {
    backend->count = count;
    const auto devices = describe(*table);
    ASSERT_TRUE(devices) << devices.error().message;
    ASSERT_EQ(devices->size(), count);
    for (std::size_t i = 0; i < count; ++i)
      ASSERT_EQ(devices->at(i).name, "card" + std::to_string(i));
  }
}

TEST_F(DescribeTest, DoesNotBelieveMoreThanThereCanBe) {
  backend->count = 4097;
  EXPECT_THAT(describe(*table).error().message, HasSubstr("it says that it has 4097 devices"));
}

TEST_F(DescribeTest, GivesUpOnAListThatGrowsWhileItIsRead) {
  backend->count = 17;
  backend->grows = true;
  const auto devices = describe(*table);
  ASSERT_FALSE(devices);
  EXPECT_EQ(devices.error().code, ErrorCode::transient);
}

TEST_F(DescribeTest, ListsADeviceThatGoesWhileItIsReadAsLost) {
  backend->count = 3;
  backend->refusing = 1;
  const auto devices = describe(*table).value();
  EXPECT_EQ(devices.at(0).state, DeviceState::up);
  EXPECT_EQ(devices.at(1).state, DeviceState::lost);
  EXPECT_THAT(devices.at(1).state_reason, HasSubstr("pulled out"));
  EXPECT_EQ(devices.at(2).state, DeviceState::up);
}

TEST_F(DescribeTest, NamesTheDeviceThatRefusesToSpeak) {
  backend->refusing = 0;
  backend->refusal = ESPALIER_INVALID;
  EXPECT_EQ(describe(*table).error().message,
            "device 'card0': cannot list its capabilities: pulled out");
}

// ---- Which functions a device needs -------------------------------------------------------------

class DeviceTable : public ::testing::Test {
 protected:
  bool complete() const { return check_table_for(backend, device).has_value(); }

  espalier_userspace userspace = sdk::table::userspace_table();
  espalier_kernel kernel = sdk::table::kernel_table();
  espalier_backend backend{.struct_size = sizeof(espalier_backend),
                           .reserved = 0,
                           .self = nullptr,
                           .close = nullptr,
                           .enumerate = nullptr,
                           .caps = nullptr,
                           .pools = nullptr,
                           .health = nullptr,
                           .userspace = &userspace,
                           .kernel = &kernel,
                           .extension = nullptr};
  Device device;
};

TEST_F(DeviceTable, IsCompleteAsTheLayerMakesIt) {
  EXPECT_TRUE(complete());
  device.asynchronous = device.needs_dma = true;
  EXPECT_TRUE(complete());
  device.dataplane = Dataplane::kernel;
  EXPECT_TRUE(complete());
}

TEST_F(DeviceTable, NeedsProcessOfSynchronousDevicesOnly) {
  userspace.process = nullptr;
  EXPECT_FALSE(complete());
  device.asynchronous = true;
  EXPECT_TRUE(complete());
}

TEST_F(DeviceTable, NeedsSubmitPollAndQuiesceOfAsynchronousDevicesOnly) {
  for (const int missing : {0, 1, 2}) {
    userspace = sdk::table::userspace_table();
    if (missing == 0) userspace.submit = nullptr;
    if (missing == 1) userspace.poll = nullptr;
    if (missing == 2) userspace.queue_quiesce = nullptr;
    device.asynchronous = false;
    EXPECT_TRUE(complete());
    device.asynchronous = true;
    EXPECT_FALSE(complete());
  }
}

TEST_F(DeviceTable, NeedsAttachmentOfDevicesWithDmaOnly) {
  userspace.mem_attach = nullptr;
  EXPECT_TRUE(complete());
  device.needs_dma = true;
  EXPECT_FALSE(complete());
}

TEST_F(DeviceTable, NeedsRecipesOfKernelDevicesOnly) {
  kernel.recipe = nullptr;
  EXPECT_TRUE(complete());
  device.dataplane = Dataplane::kernel;
  EXPECT_FALSE(complete());
  backend.kernel = nullptr;
  EXPECT_FALSE(complete());
}

TEST_F(DeviceTable, IsRefusedWhereItIsTooShort) {
  userspace.struct_size = sizeof(userspace) - 1;
  EXPECT_FALSE(complete());
}

}  // namespace
}  // namespace espalier::load
