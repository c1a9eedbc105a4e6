// SPDX-License-Identifier: Apache-2.0
#include "plugin_folder.hpp"

#include <gmock/gmock.h>
#include <espalier/plugin.hpp>

#include <thread>

namespace espalier::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// ---- Plugins ------------------------------------------------------------------------------------

TEST(Registry, LoadsPluginsInCppAndInPlainC) {
  PluginFolder folder;
  folder.add("good");
  folder.add("plain");
  const LoadedRegistry loaded(folder.path());
  const BackendInfo good = loaded.find("good");
  EXPECT_EQ(good.vendor, "Zoo");
  EXPECT_EQ(good.version, "1.2.3");
  EXPECT_EQ(good.path, folder.path() / "good.so");
  ASSERT_EQ(good.devices.size(), 1u);
  EXPECT_EQ(good.devices[0].name, "cpu");
  const BackendInfo plain = loaded.find("plain");
  ASSERT_EQ(plain.devices.size(), 1u);
  EXPECT_EQ(plain.devices[0].name, "zoo");
  EXPECT_EQ(plain.devices[0].pools.at(0).used, 2u);
  expect_working(*loaded, "good", "cpu");
  expect_working(*loaded, "plain", "zoo");
}

TEST(Registry, ListsBackendsByNameWhateverTheirFilesAreCalled) {
  PluginFolder folder;
  folder.add("plain", "a");
  folder.add("good", "b");
  folder.add("no_manifest", "c");
  std::vector<std::string> names;
  for (const auto& backend : LoadedRegistry(folder.path())->backends())
    names.push_back(backend.name);
  EXPECT_THAT(names, ElementsAre("c", "good", "plain"));
}

TEST(Registry, GivesEachBackendItsOwnOptionsInTheProbeAndAfterIt) {
  PluginFolder folder;
  folder.add("good");
  folder.add("needs_hardware");  // refuses "{}"
  const LoadedRegistry loaded(
      {.folders = {folder.path()},
       .backend_options = {{"good", R"({"lanes":4})"}, {"needs_hardware", R"({"emulate":true})"}}});
  EXPECT_EQ(loaded.find("good").devices.at(0).description, R"({"lanes":4})");
  EXPECT_EQ(loaded.find("needs_hardware").rejected, "");
}

TEST(Registry, LogsWhatABackendSaysUnderItsName) {
  PluginFolder folder;
  folder.add("good");
  const LoadedRegistry loaded(folder.path());
  EXPECT_THAT(loaded.logged, IsEmpty()) << "it was started before it was needed";
  loaded->backends();
  EXPECT_THAT(loaded.logged, ElementsAre("good: started"));
}

// The loader of glibc knows libraries by name: a descriptor that is used again must not give the
// library that had it before.
TEST(Registry, DoesNotConfuseItsPluginsWithThoseOfAnEarlierOne) {
  PluginFolder first, second;
  first.add("good");
  second.add("plain");
  EXPECT_EQ(LoadedRegistry(first.path()).find("good").devices.at(0).name, "cpu");
  EXPECT_EQ(LoadedRegistry(second.path()).find("plain").devices.at(0).name, "zoo");
}

TEST(Registry, DoesNotRunWhatIsDisabled) {
  PluginFolder folder;
  folder.add("exits");
  const LoadedRegistry loaded({.folders = {folder.path()}, .disabled = {"exits"}});
  EXPECT_EQ(loaded.find("exits").rejected, "it is disabled in the configuration");
}

TEST(Registry, KeepsTheFirstOfTwoPluginsOfOneName) {
  PluginFolder first, second;
  first.add("good", "z");
  second.add("good", "a");
  const LoadedRegistry loaded(RegistryOptions{.folders = {first.path(), second.path()}});
  EXPECT_EQ(loaded.find("good").path, first.path() / "z.so");
  EXPECT_THAT(loaded.find("good (2)").rejected,
              HasSubstr("the backend 'good' is already there, from " + first.path().string()));
  expect_working(*loaded, "good", "cpu");
}

TEST(Registry, KnowsWhoseAPluginIsThatCannotRunHere) {
  PluginFolder folder;
  folder.add("needs_cpu", "a");
  folder.add("other_abi", "b");
  const LoadedRegistry loaded(folder.path());
  EXPECT_EQ(loaded.find("needs_cpu").vendor, "Zoo");
  EXPECT_EQ(loaded.find("other_abi").version, "1.0");
}

TEST(Registry, SaysWhichFolderIsMissing) {
  const auto secrets = std::move(SecretPool::create()).value();
  const auto loaded = Registry::load({.folders = {"/nonexistent/plugins"}}, *secrets);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::not_found);
  EXPECT_THAT(loaded.error().message, HasSubstr("the plugin folder '/nonexistent/plugins'"));
}

TEST(Registry, TellsAFileFromAFolder) {
  const auto secrets = std::move(SecretPool::create()).value();
  const auto loaded = Registry::load({.folders = {"/proc/self/exe"}}, *secrets);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::invalid);
  EXPECT_EQ(loaded.error().message,
            "'/proc/self/exe' is no folder: name the one that the plugins are in");
}

TEST(Registry, TakesAnEmptyFolder) {
  const PluginFolder folder;
  EXPECT_THAT(LoadedRegistry(folder.path())->backends(), IsEmpty());
}

TEST(Registry, RejectsPluginsThatItCannotProbe) {
  PluginFolder folder;
  folder.add("good");
  const LoadedRegistry loaded(
      {.folders = {folder.path()}, .probe_helper = "/nonexistent/espalier-probe"});
  EXPECT_THAT(loaded.find("good").rejected,
              HasSubstr("was not found at /nonexistent/espalier-probe"));
}

TEST(Registry, RejectsPluginsWhoseProbeIsSomeOtherProgram) {
  PluginFolder folder;
  folder.add("good");
  const LoadedRegistry loaded({.folders = {folder.path()}, .probe_helper = "/bin/true"});
  EXPECT_THAT(loaded.find("good").rejected, HasSubstr("exited with status 0 before it was done"));
}

// ---- Devices ------------------------------------------------------------------------------------

TEST(Registry, SharesAnOpenDeviceUntilItIsForgotten) {
  PluginFolder folder;
  folder.add("good");
  const LoadedRegistry loaded(folder.path());
  const auto first = loaded->open("good", "cpu").value();
  EXPECT_EQ(loaded->open("good", "cpu").value(), first);
  loaded->forget("good", "cpu");
  EXPECT_NE(loaded->open("good", "cpu").value(), first);
}

TEST(Registry, SaysWhichBackendOrDeviceIsNotThere) {
  PluginFolder folder;
  folder.add("good");
  const LoadedRegistry loaded(folder.path());
  EXPECT_EQ(loaded->open("bad", "cpu").error().message, "there is no backend 'bad'");
  const auto device = loaded->open("good", "gpu");
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().code, ErrorCode::not_found);
  EXPECT_EQ(device.error().message, "backend good has no device 'gpu' now");
}

TEST(Registry, MayGoBeforeTheDevicesThatItOpened) {
  PluginFolder folder;
  folder.add("good");
  LoadedRegistry loaded(folder.path());
  const auto device = loaded->open("good", "cpu").value();
  loaded.registry.reset();
  EXPECT_TRUE(device->open_queue());
}

// ---- Backends that are linked in ----------------------------------------------------------------

// Says what its device does now: up, gone, or something false.
class Scripted final : public sdk::Backend {
 public:
  Scripted(const espalier_host* given, std::string_view) { host = given; }
  ~Scripted() override { host = nullptr; }

  sdk::Result<std::vector<espalier_device_info>> enumerate() override {
    auto info = sdk::sized<espalier_device_info>();
    info.dataplane = ESPALIER_KERNEL;
    info.id = 3;
    sdk::copy_text(info.name, "nic");
    return std::vector(devices, info);
  }
  sdk::Result<std::vector<espalier_capability>> caps(uint64_t) override {
    return std::vector<espalier_capability>{};
  }
  espalier_health health(uint64_t) override {
    auto now = sdk::sized<espalier_health>();
    now.state = state;
    sdk::copy_text(now.reason, "as the test says");
    return now;
  }
  sdk::Result<espalier_recipe> recipe(uint64_t, const espalier_sa&) override {
    return sdk::Refusal{ESPALIER_UNSUPPORTED, "no SA is for it"};
  }

  static inline const espalier_host* host;  // of the one that lives
  static inline std::size_t devices;
  static inline uint32_t state;
};

const espalier_plugin_entry kScripted = {ESPALIER_ABI_MAGIC, ESPALIER_ABI_MAJOR, ESPALIER_ABI_MINOR,
                                         &sdk::table::negotiate<Scripted>};

class BuiltIn : public ::testing::Test {
 protected:
  void SetUp() override {
    Scripted::devices = 1;
    Scripted::state = ESPALIER_UP;
  }
  LoadedRegistry loaded{RegistryOptions{}};
};

TEST_F(BuiltIn, IsListedAsSuch) {
  ASSERT_TRUE(loaded->add_builtin("scripted", kScripted));
  EXPECT_EQ(loaded.find("scripted").path, "built in");
  EXPECT_EQ(loaded.find("scripted").devices.at(0).dataplane, Dataplane::kernel);
}

TEST_F(BuiltIn, IsReadAnewEachTime) {
  ASSERT_TRUE(loaded->add_builtin("scripted", kScripted));
  EXPECT_EQ(loaded.find("scripted").devices.at(0).state, DeviceState::up);
  Scripted::state = ESPALIER_DEGRADED;
  EXPECT_EQ(loaded.find("scripted").devices.at(0).state, DeviceState::degraded);
  Scripted::state = ESPALIER_GONE;
  EXPECT_EQ(loaded.find("scripted").devices.at(0).state, DeviceState::lost);
  EXPECT_EQ(loaded.find("scripted").devices.at(0).state_reason, "as the test says");
  Scripted::devices = 0;
  EXPECT_THAT(loaded.find("scripted").devices, IsEmpty());
}

TEST_F(BuiltIn, IsSetAsideWhileItLiesAndNoLonger) {
  ASSERT_TRUE(loaded->add_builtin("scripted", kScripted));
  Scripted::devices = 2;
  EXPECT_EQ(loaded.find("scripted").rejected, "backend scripted: it has two devices named 'nic'");
  Scripted::devices = 1;
  EXPECT_EQ(loaded.find("scripted").rejected, "");
}

TEST_F(BuiltIn, CannotOpenADeviceOfTheKernel) {
  ASSERT_TRUE(loaded->add_builtin("scripted", kScripted));
  const auto opened = loaded->open("scripted", "nic");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::unsupported);
}

TEST_F(BuiltIn, DoesNotTakeTheNameOfABackendThatWorks) {
  ASSERT_TRUE(loaded->add_builtin("scripted", kScripted));
  const auto again = loaded->add_builtin("scripted", kScripted);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::conflict);
}

TEST(BuiltInOverPlugin, TakesTheNameOfOneThatWasRejected) {
  PluginFolder folder;
  const auto file = folder.add("exits");
  const LoadedRegistry loaded(folder.path());
  Scripted::devices = 1;
  Scripted::state = ESPALIER_UP;
  ASSERT_TRUE(loaded->add_builtin("exits", kScripted));
  EXPECT_EQ(loaded.find("exits").rejected, "");
  EXPECT_THAT(loaded.find(file).rejected, HasSubstr("exited with status 7"));
}

TEST_F(BuiltIn, OfAnotherAbiIsRefused) {
  espalier_plugin_entry other = kScripted;
  other.abi_major = 2;
  const auto added = loaded->add_builtin("scripted", other);
  ASSERT_FALSE(added);
  EXPECT_THAT(added.error().message, HasSubstr("speaks plugin ABI 2.0"));
}

TEST(BuiltInDisabled, IsNotStarted) {
  const LoadedRegistry loaded(RegistryOptions{.disabled = {"scripted"}});
  ASSERT_TRUE(loaded->add_builtin("scripted", kScripted));
  EXPECT_THAT(loaded.find("scripted").rejected, HasSubstr("disabled"));
  EXPECT_EQ(Scripted::host, nullptr);
}

TEST_F(BuiltIn, IsClosedWithTheRegistry) {
  ASSERT_TRUE(loaded->add_builtin("scripted", kScripted));
  loaded->backends();
  ASSERT_NE(Scripted::host, nullptr);
  loaded.registry.reset();
  EXPECT_EQ(Scripted::host, nullptr);
}

TEST_F(BuiltIn, SendsEventsFromAnyThread) {
  ASSERT_TRUE(loaded->add_builtin("scripted", kScripted));
  loaded->backends();
  const espalier_host* const host = Scripted::host;
  std::vector<std::thread> threads;
  for (uint64_t id = 0; id < 4; ++id)
    threads.emplace_back([host, id] {
      for (int i = 0; i < 100; ++i) host->event(host->context, ESPALIER_EVENT_DEVICE_LOST, id);
    });
  for (auto& thread : threads) thread.join();
  std::vector<std::uint64_t> lost;
  for (const DeviceEvent& event : loaded->take_events()) {
    EXPECT_EQ(event.backend, "scripted");
    EXPECT_EQ(event.event, ESPALIER_EVENT_DEVICE_LOST);
    lost.push_back(event.device);
  }
  EXPECT_THAT(lost, ::testing::UnorderedElementsAre(0, 1, 2, 3));
  EXPECT_THAT(loaded->take_events(), IsEmpty());
}

TEST_F(BuiltIn, GetsSecretMemoryAndAClock) {
  ASSERT_TRUE(loaded->add_builtin("scripted", kScripted));
  loaded->backends();
  const espalier_host* const host = Scripted::host;
  auto* const memory = static_cast<std::uint8_t*>(host->secret_alloc(host->context, 64));
  ASSERT_NE(memory, nullptr);
  EXPECT_TRUE(std::all_of(memory, memory + 64, [](std::uint8_t byte) { return byte == 0; }));
  host->secret_free(host->context, memory, 64);
  EXPECT_EQ(host->secret_alloc(host->context, UINT64_MAX), nullptr);
  const std::uint64_t before = host->monotonic_ns(host->context);
  EXPECT_GE(host->monotonic_ns(host->context), before);
  EXPECT_EQ(host->extension(host->context, "no.such.extension"), nullptr);
}

}  // namespace
}  // namespace espalier::test
