// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <conform/under_test.hpp>
#include <load/describe.hpp>
#include <load/host_services.hpp>
#include <load/status.hpp>
#include <load/table_check.hpp>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

namespace espalier::conform {

using load::Words;

namespace {

Host& self(void* context) noexcept { return *static_cast<Host*>(context); }

void say(espalier_message* message, std::string_view words) noexcept {
  if (message == nullptr || message->capacity == 0) return;
  const auto n = std::min<std::uint64_t>(words.size(), message->capacity - 1);
  message->text[words.copy(message->text, static_cast<std::size_t>(n))] = '\0';
}

}  // namespace

// Secret memory is plain memory here, aligned as the framework's is: only keys of a test are in it.
Host::Host(const espalier_plugin_entry& oracle) : oracle_(oracle) {
  table_.struct_size = sizeof table_;
  table_.abi_minor = ESPALIER_ABI_MINOR;
  table_.context = this;
  table_.log = [](void*, std::int32_t, const char*) {};
  table_.monotonic_ns = [](void*) { return load::monotonic_ns(); };
  table_.secret_alloc = [](void* context, std::uint64_t size) -> void* {
    Host& host = self(context);
    if (host.exhausted_ || size > (64U << 10)) return nullptr;
    const std::size_t whole = (static_cast<std::size_t>(size) + 63) / 64 * 64;
    void* memory = std::aligned_alloc(64, std::max<std::size_t>(whole, 64));
    if (memory == nullptr) return nullptr;
    std::memset(memory, 0, static_cast<std::size_t>(size));
    ++host.secrets_;
    ++host.given_;
    return memory;
  };
  table_.secret_free = [](void* context, void* memory, std::uint64_t size) {
    if (memory == nullptr) return;
    explicit_bzero(memory, static_cast<std::size_t>(size));
    std::free(memory);
    --self(context).secrets_;
  };
  table_.event = [](void*, std::int32_t, std::uint64_t) {};
  plugins_.struct_size = sizeof plugins_;
  plugins_.context = this;
  plugins_.find = [](void* context, const char* backend, const espalier_plugin_entry** entry,
                     espalier_message* message) -> espalier_status {
    if (std::string_view(backend) != "openssl") {
      say(message, "conform has one backend to decorate: openssl");
      return ESPALIER_UNSUPPORTED;
    }
    *entry = &self(context).oracle_;
    return ESPALIER_OK;
  };
  table_.extension = [](void* context, const char* id) -> const void* {
    return std::string_view(id) == ESPALIER_HOST_PLUGINS ? &self(context).plugins_ : nullptr;
  };
}

Backend::Backend(Run& run, const espalier_plugin_entry& entry, const std::string& options,
                 Req broken)
    : run_(run), host_(run.oracle()) {
  Words words;
  const espalier_backend* table = nullptr;
  const WatchedCall<decltype(entry.negotiate)> negotiate(run, "negotiate", kControlCall,
                                                         entry.negotiate);
  const auto status = negotiate(host_.table(), options.c_str(), &table, words.message());
  // A person's mistake, and no requirement of the plugin's.
  if (status == ESPALIER_INVALID && options != "{}")
    throw KitError(fmt::format("the plugin refuses the options {}: {}", options, words.text()));
  if (status != ESPALIER_OK)
    run.stop(broken,
             fmt::format("it does not start here: {} ({})", words.text(), status_name(status)));
  // One that fails here is not closed either: what it says cannot be relied on.
  if (const auto sound = load::check_table(table); !sound)
    run.stop(Req::tables, sound.error().message);
  table_ = table;
  watched_.emplace(run, *table);
}

Backend::~Backend() {
  if (table_ == nullptr) return;
  run_.at("closing the backend");
  watched_->close(watched_->self);
}

std::vector<Device> Backend::devices() {
  auto found = load::describe(*table_);
  if (found) return *std::move(found);
  const bool of_table = found.error().message.contains("table");
  run_.stop(of_table ? Req::tables : Req::described, found.error().message);
}

Device Backend::device(const std::string& name) {
  for (Device& device : devices())
    if (device.name == name) return std::move(device);
  run_.stop(Req::stable, fmt::format("its device '{}' is not there any more", name));
}

OpenedDevice::OpenedDevice(Run& run, Backend& backend, Device info, Req broken)
    : run_(run), info_(std::move(info)), table_(&*backend.table().userspace) {
  run.at("opening the device");
  Words words;
  const auto status =
      table_->device_open(backend.table().self, info_.id, &handle_, words.message());
  if (status != ESPALIER_OK)
    run.stop(broken, fmt::format("device '{}' does not open: {} ({})", info_.name, words.text(),
                                 status_name(status)));
  if (handle_ == nullptr)
    run.stop(Req::opens, fmt::format("device '{}' opens, but gives no handle", info_.name));
}

OpenedDevice::~OpenedDevice() {
  if (handle_ == nullptr) return;
  run_.at("closing the device");
  table_->device_close(handle_);
}

OpenedDevice::Answer OpenedDevice::try_open(const Sa& sa, std::uint32_t direction) {
  return try_open(sa.params(direction));
}

OpenedDevice::Answer OpenedDevice::try_open(const espalier_session_params& params) {
  Words words;
  Answer answer;
  answer.status = table_->session_open(handle_, &params, &answer.session, words.message());
  answer.words = words.text();
  return answer;
}

std::uint64_t OpenedDevice::open(const Sa& sa, std::uint32_t direction, Req broken, Req full) {
  const Answer answer = try_open(sa, direction);
  if (answer.status == ESPALIER_OK) return answer.session;
  run_.stop(answer.status == ESPALIER_CAPACITY ? full : broken,
            fmt::format("an {} session of {} is refused: {} ({})",
                        direction == ESPALIER_OUTBOUND ? "outbound" : "inbound", sa.name(),
                        answer.words, status_name(answer.status)));
}

void OpenedDevice::close(std::uint64_t session) { table_->session_close(handle_, session); }

std::uint32_t OpenedDevice::longest_payload(const Sa& sa, std::uint32_t directions) const {
  std::uint32_t longest = 65535;
  for (const Capability& c : info_.capabilities)
    if (covers(c, *sa.info) && (c.directions & directions) != 0 && c.max_length != 0)
      longest = std::min(longest, c.max_length);
  const std::uint32_t room = longest - std::min(longest, sa.length(0));
  return room / sa.block_bytes() * sa.block_bytes();
}

bool OpenedDevice::does(const TransformInfo& transform, std::uint32_t direction, bool esn) const {
  return std::ranges::any_of(info_.capabilities, [&](const Capability& c) {
    return covers(c, transform) && covers_esn(c, esn) && (c.directions & direction) == direction;
  });
}

std::vector<Capability> OpenedDevice::capabilities(const std::string& name) const {
  std::vector<Capability> found;
  for (const Capability& c : info_.capabilities)
    if (name.empty() || name_of(c) == name) found.push_back(c);
  return found;
}

std::vector<Sa> OpenedDevice::sas(Random& random, const std::string& capability) const {
  std::vector<Sa> all;
  for (const Capability& c : capabilities(capability))
    for (const TransformInfo* transform : variants(c))
      for (const bool esn : {false, true})
        if (covers_esn(c, esn)) all.push_back(random_sa(random, *transform, esn));
  return all;
}

std::uint64_t capacity_of(const Device& device, PoolKind kind, std::uint32_t direction) {
  std::uint64_t least = kUnlimited;
  for (const CapacityPool& pool : device.pools)
    if (pool.kind == kind && (pool.directions & direction) != 0)
      least = std::min(least, pool.capacity - std::min(pool.used, pool.capacity));
  return least;
}

std::string status_name(espalier_status status) {
  constexpr const char* kNames[] = {"OK",   "UNSUPPORTED", "CAPACITY", "TRANSIENT",
                                    "LOST", "PERMISSION",  "INVALID"};
  if (status >= 0 && status < static_cast<espalier_status>(std::size(kNames)))
    return kNames[status];
  return fmt::format("unknown status {}", status);
}

std::string op_status_name(std::uint16_t status) {
  switch (status) {
    case ESPALIER_OP_DONE:
      return "DONE";
    case ESPALIER_OP_BAD_ICV:
      return "BAD_ICV";
    case ESPALIER_OP_FAILED:
      return "FAILED";
    case ESPALIER_OP_LOST:
      return "LOST";
    case ESPALIER_OP_PENDING:
      return "PENDING";
    default:
      return fmt::format("unknown status {}", status);
  }
}

}  // namespace espalier::conform
