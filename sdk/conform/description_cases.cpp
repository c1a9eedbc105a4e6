// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <conform/cases.hpp>
#include <conform/sanitizer.hpp>
#include <load/elf_file.hpp>
#include <load/sealed_image.hpp>
#include <load/status.hpp>
#include <load/text.hpp>

#include <algorithm>
#include <cstring>

namespace espalier::conform {
namespace {

constexpr std::size_t kBeyond = 24;  // bytes of a newer host's struct that this ABI does not know
constexpr std::uint8_t kGuard = 0x5a;

// What the plugin needs, and neither it nor a library that it names defines: bound here because
// this program happens to have a library loaded.
std::string borrowed(const espalier_plugin_entry& entry) {
  Dl_info where{};
  if (dladdr(&entry, &where) == 0) throw KitError("the loaded plugin is not found");
  const load::Descriptor image(::open(where.dli_fname, O_RDONLY | O_CLOEXEC));
  const auto view = load::ImageView::map(image.get());
  const auto elf = view ? load::ElfFile::parse(view->bytes()) : std::unexpected(view.error());
  void* const plugin = dlopen(where.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  if (!elf || plugin == nullptr) throw KitError("the loaded plugin cannot be read");
  std::string names;
  for (const std::string& name : elf->needed_names())
    if (dlsym(plugin, name.c_str()) == nullptr) names += (names.empty() ? "" : ", ") + name;
  dlclose(plugin);
  return load::printable(names);
}

void describe(Run& run) {
  const auto names = run.job().preloaded || kSanitized ? "" : borrowed(run.entry());
  if (!names.empty())
    run.fail(Req::loads, fmt::format("no library that it is linked with defines {}: link it with "
                                     "the one that does; other programs may not have it",
                                     names));
  Backend backend(run, run.entry(), run.job().options);
  run.at("listing devices, capabilities, pools and health");
  Inventory found;
  found.backends.emplace_back();
  found.backends.back().name = "it";
  found.backends.back().devices = backend.devices();
  run.inventory(found);
  if (found.backends.front().devices.empty())
    run.not_applicable(Req::opens, "it has no device on this machine");
}

// One list function, asked as a newer host would, with room for `capacity` entries.
template <class T, class Call>
void check_list(Run& run, std::string_view what, Call&& call) {
  load::Words words;
  std::uint32_t exist = 0;
  if (call(nullptr, 0U, &exist, words.message()) != ESPALIER_OK) {
    run.fail(Req::lists,
             fmt::format("asked for {} with no room, it answers: {}", what, words.text()));
    return;
  }
  constexpr std::size_t stride = sizeof(T) + kBeyond;
  for (const std::uint32_t capacity : {exist, exist == 0 ? 0 : exist - 1, exist + 2}) {
    Bytes room((capacity + 2) * stride, kGuard);
    for (std::uint32_t i = 0; i < capacity; ++i) {
      std::memset(room.data() + i * stride, 0, sizeof(T));
      const auto size = static_cast<std::uint32_t>(stride);
      std::memcpy(room.data() + i * stride, &size, sizeof size);
    }
    std::uint32_t count = ~0U;
    const auto status = call(reinterpret_cast<T*>(room.data()), capacity, &count, words.message());
    if (status != ESPALIER_OK || count != exist)
      run.fail(Req::lists,
               fmt::format("of {} it says {} with room for 0 and {} with room for {} ({})", what,
                           exist, count, capacity, status_name(status)));
    const auto untouched = [&](std::size_t from, std::size_t to) {
      return std::all_of(room.begin() + static_cast<std::ptrdiff_t>(from),
                         room.begin() + static_cast<std::ptrdiff_t>(to),
                         [](std::uint8_t byte) { return byte == kGuard; });
    };
    for (std::uint32_t i = 0; i < capacity; ++i)
      if (!untouched(i * stride + sizeof(T), (i + 1) * stride))
        run.fail(Req::lists, fmt::format("it writes beyond entry {} of its {}: struct_size is the "
                                         "stride, and more than it knows is not its own",
                                         i, what));
    if (!untouched(capacity * stride, room.size()))
      run.fail(Req::lists,
               fmt::format("with room for {} of its {} {} it writes more", capacity, exist, what));
  }
}

void lists(Run& run) {
  Backend backend(run, run.entry(), run.job().options);
  const auto& t = backend.table();
  run.at("listing with too little room");
  check_list<espalier_device_info>(run, "devices",
                                   [&](auto... a) { return t.enumerate(t.self, a...); });
  for (const Device& device : backend.devices()) {
    check_list<espalier_capability>(run, "capabilities",
                                    [&](auto... a) { return t.caps(t.self, device.id, a...); });
    check_list<espalier_pool>(run, "pools",
                              [&](auto... a) { return t.pools(t.self, device.id, a...); });
  }
}

// What may change by itself is not compared.
std::vector<Device> lasting(std::vector<Device> devices) {
  for (Device& device : devices) {
    device.state_reason.clear();
    for (CapacityPool& pool : device.pools) pool.used = 0;
  }
  return devices;
}

void stable(Run& run) {
  Backend backend(run, run.entry(), run.job().options);
  const auto first = lasting(backend.devices());
  for (int i = 0; i < 20; ++i) {
    run.at("listing again");
    if (lasting(backend.devices()) != first)
      run.stop(Req::stable,
               fmt::format("asked for the {}. time, it describes itself otherwise", i + 2));
  }
}

void unknown_device(Run& run) {
  Backend backend(run, run.entry(), run.job().options);
  backend.devices();  // before it was asked for them there are no ids
  const auto& t = backend.table();
  load::Words words;
  std::uint32_t count = 0;
  const auto refuse = [&](std::string_view call, espalier_status status) {
    if (status == ESPALIER_OK)
      run.fail(Req::unknown_device, fmt::format("{} of a device id that it does not have answers "
                                                "OK",
                                                call));
  };
  run.at("asking for a device that does not exist");
  espalier_capability cap{};
  cap.struct_size = sizeof cap;
  refuse("caps()", t.caps(t.self, kNoDevice, &cap, 1, &count, words.message()));
  espalier_pool pool{};
  pool.struct_size = sizeof pool;
  count = 0;
  const auto listed = t.pools(t.self, kNoDevice, &pool, 1, &count, words.message());
  if (count != 0) refuse("pools()", listed);  // that it has none is true
  espalier_health said{};
  said.struct_size = sizeof said;
  const auto well = t.health(t.self, kNoDevice, &said);
  if (said.state != ESPALIER_GONE) refuse("health()", well);
  if (!t.userspace) return;
  void* handle = nullptr;
  const auto opened = t.userspace->device_open(t.self, kNoDevice, &handle, words.message());
  refuse("device_open()", opened);
  if (opened == ESPALIER_OK && handle != nullptr) t.userspace->device_close(handle);
}

void health(Run& run) {
  Bench bench(run);
  const auto& t = bench.backend.table();
  espalier_health said{};
  said.struct_size = sizeof said;
  const auto status = t.health(t.self, bench.device.info().id, &said);
  if (status != ESPALIER_OK || (said.state != ESPALIER_UP && said.state != ESPALIER_DEGRADED))
    run.fail(Req::healthy, fmt::format("it is open and works, but its health is {} ({})",
                                       said.state, status_name(status)));
}

void open_device(Run& run) {
  Bench bench(run);
  if (bench.device.info().state == DeviceState::down)
    run.note(fmt::format("device '{}' says that it is down", bench.device.info().name));
  const auto sas = bench.device.sas(run.random(), "");
  if (sas.empty()) run.stop(Req::opens, "it declares no transform that ESP has");
  const Sa& sa = sas.front();
  for (const std::uint32_t direction : {ESPALIER_OUTBOUND, ESPALIER_INBOUND}) {
    if (!bench.device.does(*sa.info, direction, sa.esn)) continue;
    run.at("opening a session");
    const auto session = bench.device.open(sa, direction, Req::opens, Req::opens);
    run.at("giving it one packet");
    const Spot spot = bench.memory.take(sa.length(64));
    std::memset(spot.data, 0, spot.size);
    auto op = make_op(session, sa, spot);
    bench.lane.complete(op);
    run.at("closing the session");
    bench.device.close(session);
  }
  run.at("closing the queue");
}

}  // namespace

std::vector<Case> description_cases() {
  return {
      {"describe",
       "It starts, and says what it has.",
       Scope::plugin,
       true,
       {Req::loads, Req::tables, Req::described},
       describe},
      {"open",
       "Its devices open, and take one packet.",
       Scope::device,
       true,
       {Req::opens},
       open_device},
      {"lists",
       "Lists keep to the room that they are given.",
       Scope::plugin,
       false,
       {Req::lists},
       lists},
      {"stable", "It says the same every time.", Scope::plugin, false, {Req::stable}, stable},
      {"unknown-device",
       "A device that does not exist is refused.",
       Scope::plugin,
       false,
       {Req::unknown_device},
       unknown_device},
      {"health", "A device that works says so.", Scope::device, false, {Req::healthy}, health},
  };
}

}  // namespace espalier::conform
