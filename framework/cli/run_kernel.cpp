// SPDX-License-Identifier: Apache-2.0
#include "run_kernel.hpp"

#include "harden.hpp"
#include "run_keys.hpp"
#include "run_news.hpp"
#include "run_places.hpp"
#include "run_reload.hpp"
#include "run_steering.hpp"

#include "gateway/control_service.hpp"
#include "gateway/kernel_gateway.hpp"
#include "gateway/site_view.hpp"
#include "io/encap_socket.hpp"
#include "io/netlink.hpp"
#include "io/protection.hpp"
#include "observe/render.hpp"
#include "xfrm/event_socket.hpp"
#include "xfrm/netlink_transport.hpp"

#include <espalier/abi.h>

#include <fmt/format.h>

#include <net/if.h>

#include <chrono>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>

namespace espalier::cli {
namespace {

// Anywhere, so that two gateways of a machine hardly ever share one.
std::uint32_t first_reqid() {
  constexpr std::uint32_t blocks = 0x3fff'0000;
  return (xfrm::PolicyBundles::kOwnReqids | (std::random_device()() & blocks)) + 1;
}

// A gateway of the kernel's dataplane from its configuration to its end. Members are destroyed in
// reverse order.
class KernelRun {
 public:
  KernelRun(GatewayConfig config, ReadConfiguration read, SecretPool& secrets,
            std::unique_ptr<Registry> registry, Log log)
      : config_(std::move(config)),
        read_(std::move(read)),
        secrets_(secrets),
        log_(std::move(log)),
        registry_(std::move(registry)),
        steering_(config_.state_directory / "kernel-changes.json", log_) {}

  // What can fail without harm comes before keys are claimed.
  Result<void> start();
  void serve();
  void print_end(const Console& console, bool json);

 private:
  void tell_of_what_is_left_away() const;
  Result<void> connect();
  Result<void> add_sas(const std::vector<SaSpec>& specs);
  void take_over_rules();
  std::string path_of(const SaSpec& sa);
  void tell_of_another_path(const SaSpec& sa, const std::string& path);
  void each_second();

  boost::asio::io_context loop_;
  GatewayConfig config_;
  ReadConfiguration read_;
  SecretPool& secrets_;
  Log log_;
  RunSignals signals_{loop_};
  boost::asio::steady_timer second_{loop_};
  std::unique_ptr<Registry> registry_;
  std::optional<io::RouteNetlink> routes_;
  std::set<std::pair<std::string, std::string>> told_paths_;  // as configured, as it is
  io::Descriptor site_lock_;
  io::Descriptor encap_socket_;
  RunSteering steering_;
  std::unique_ptr<xfrm::NetlinkTransport> kernel_;
  std::optional<xfrm::EventSocket> events_;
  std::unique_ptr<Placer> placer_;
  std::unique_ptr<KernelGateway> gateway_;
  std::unique_ptr<Monitor> monitor_;
  std::unique_ptr<ControlService> service_;
  std::unique_ptr<ControlServer> server_;
};

// What an engine of our own does, and nobody does here.
void KernelRun::tell_of_what_is_left_away() const {
  for (const TunnelConfig& tunnel : config_.tunnels) {
    if (!is_own(tunnel, config_)) continue;
    const auto warn = [&](bool asked, std::string_view key) {
      if (asked)
        log_(ESPALIER_LOG_WARNING,
             fmt::format("Tunnel '{}': '{}' has no effect in the kernel's dataplane.", tunnel.name,
                         key));
    };
    warn(tunnel.follow_peer, "follow_peer");
    warn(tunnel.keepalive != 0, "keepalive");
    warn(tunnel.dummies.interval != 0, "dummies");
  }
}

Result<void> KernelRun::connect() {
  auto kernel = xfrm::NetlinkTransport::connect();
  if (!kernel) return std::unexpected(kernel.error());
  kernel_ = std::move(*kernel);
  auto events = xfrm::EventSocket::open();
  if (!events) return std::unexpected(events.error());
  events_ = std::move(*events);
  auto routes = io::RouteNetlink::connect();
  if (!routes) return std::unexpected(routes.error());
  routes_ = std::move(*routes);
  const auto encapsulation = encapsulation_of(config_);
  if (!encapsulation) return std::unexpected(encapsulation.error());
  if (*encapsulation == Encapsulation::none) return {};
  auto socket = io::open_encap_socket(config_.sites.at(config_.site).outer);
  if (!socket) return std::unexpected(socket.error());
  encap_socket_ = std::move(*socket);
  return {};
}

// Once for an interface that is named and the one that it is.
void KernelRun::tell_of_another_path(const SaSpec& sa, const std::string& path) {
  if (sa.interface.empty() || sa.interface == path) return;
  if (!told_paths_.emplace(sa.interface, path).second) return;
  const bool exists = if_nametoindex(sa.interface.c_str()) != 0;
  log_(ESPALIER_LOG_WARNING,
       fmt::format("The configuration names the interface {}, {}; packets to {} leave by {} by the "
                   "routing table, and that counts, for rules too. Correct 'interface', or the "
                   "route.",
                   sa.interface, exists ? "which is not on the path" : "which is not there",
                   to_string(sa.peer.address), path));
}

// By which interface packets leave says the kernel's routing table. A device that is named in the
// configuration, but not on the path, would hold SAs and do nothing for them.
std::string KernelRun::path_of(const SaSpec& sa) {
  auto path = routes_->interface_towards(sa.peer.address);
  if (path) {
    tell_of_another_path(sa, *path);
    return *path;
  }
  log_(ESPALIER_LOG_WARNING, fmt::format("By which interface SA '{}' leaves is not known: {}",
                                         sa.name, path.error().message));
  return sa.interface;
}

Result<void> KernelRun::start() {
  auto specs = sa_specs(config_, "");
  if (!specs) return std::unexpected(specs.error());
  for (const BackendInfo& backend : registry_->backends())
    if (!backend.rejected.empty())
      log_(ESPALIER_LOG_WARNING,
           fmt::format("Backend '{}' is set aside: {}", backend.name, backend.rejected));
  tell_of_what_is_left_away();
  if (!may_administer_network()) return fail(ErrorCode::permission, kNoPermissionForIpsec);
  auto lock = io::Protection::lock(config_.site);
  if (!lock) return std::unexpected(lock.error());
  site_lock_ = std::move(*lock);
  if (auto connected = connect(); !connected) return connected;
  placer_ = std::make_unique<Placer>(*registry_, config_.policy, &std::chrono::steady_clock::now,
                                     Dataplane::kernel);
  for (SaSpec& sa : *specs) sa.interface = path_of(sa);
  if (auto checked = check_places(*specs, *placer_, config_.policy); !checked) return checked;
  auto socket = ControlSocket::listen(config_.control_socket);
  if (!socket) return std::unexpected(socket.error());
  gateway_ = std::make_unique<KernelGateway>(
      *registry_, *placer_, *kernel_,
      KernelGateway::Options{first_reqid(), [this](const SaSpec& sa) { return path_of(sa); }, log_,
                             [this] { return steering_.get(); }});
  monitor_ =
      std::make_unique<Monitor>(*gateway_, std::vector<std::shared_ptr<const PortCounters>>());
  if (signals_.stopped()) return fail(ErrorCode::transient, "Stopped before it had started.");
  steering_.take_over();
  if (auto added = add_sas(*specs); !added) return added;
  service_ = std::make_unique<ControlService>(*gateway_, *monitor_, secrets_, config_);
  server_ = std::make_unique<ControlServer>(
      loop_, std::move(*socket), [this](std::span<char> line) { return service_->answer(line); },
      [this] { loop_.stop(); });
  return {};
}

Result<void> KernelRun::add_sas(const std::vector<SaSpec>& specs) {
  auto keyed = claim_keys(config_, specs, secrets_);
  if (!keyed) return std::unexpected(keyed.error());
  if (auto taken = gateway_->take_over(config_.sites.at(config_.site).outer.address); !taken)
    return taken;
  for (KeyedSa& sa : *keyed)
    if (auto added = gateway_->add(sa.spec, std::move(sa.keys)); !added)
      return std::unexpected(added.error());
  for (const std::string& tunnel : tunnels_by_socket(config_))
    log_(ESPALIER_LOG_INFO, waits_for_its_sas(tunnel, config_));
  if (auto settled = gateway_->settle(); !settled) return settled;
  take_over_rules();
  return {};
}

// The policies stand now where the rules of a gateway of the other dataplane stood.
void KernelRun::take_over_rules() {
  const auto cleared = io::Protection::clear_away(config_.site);
  if (cleared && *cleared)
    log_(ESPALIER_LOG_INFO,
         "An earlier run of the site in user space has left its rules: the policies take their "
         "place.");
  if (!cleared) log_(ESPALIER_LOG_WARNING, cleared.error().message);
}

void KernelRun::each_second() {
  second_.expires_after(std::chrono::seconds(1));
  second_.async_wait([this](const auto& error) {
    if (error) return;
    gateway_->note(events_->take());
    tell_news(gateway_->tend(), *monitor_, *service_, *server_, log_);
    each_second();
  });
}

// Any end but a clean one leaves what the peers have behind them closed.
void KernelRun::serve() {
  gateway_->keep_policies();
  signals_.on_stop([this] { loop_.stop(); });
  signals_.on_reload([this] {
    follow({config_, *gateway_, *placer_, secrets_, log_, nullptr,
            [this](const SaSpec& sa) { return path_of(sa); }},
           read_(), registry_->backends());
  });
  log_(ESPALIER_LOG_INFO,
       fmt::format("Site '{}' runs in the kernel's dataplane with {}; control socket {}.",
                   config_.site, counted(gateway_->size(), "SA"), config_.control_socket.native()));
  each_second();
  if (!signals_.stopped()) {
    loop_.restart();
    loop_.run();
  }
  signals_.on_stop({});
  signals_.on_reload({});
  if (config_.on_stop == OnStop::open) return gateway_->keep_policies(false);
  log_(ESPALIER_LOG_INFO,
       "The networks of the peers stay closed until the next run: the policies are left in the "
       "kernel, "
       "and 'ip xfrm policy flush' opens them.");
}

void KernelRun::print_end(const Console& console, bool json) {
  static_cast<void>(gateway_->tend());
  monitor_->sample(std::chrono::steady_clock::now());
  const auto reports = monitor_->reports();
  const auto drops = drops_json(gateway_->drops());
  if (!json) {
    console.print(render_sas(reports, console.style()));
    return console.print('\n' + render_drops(drops, console.style()));
  }
  auto list = nlohmann::ordered_json::array();
  for (const SaReport& report : reports) list.push_back(to_json(report));
  console.print_json({{"sas", list}, {"drops", drops}});
}

}  // namespace

int run_kernel(GatewayConfig config, ReadConfiguration again, SecretPool& secrets,
               std::unique_ptr<Registry> registry, const Log& log, const Console& console,
               bool json) {
  KernelRun gateway(std::move(config), std::move(again), secrets, std::move(registry), log);
  if (auto started = gateway.start(); !started) return console.fail(started.error());
  gateway.serve();
  gateway.print_end(console, json);
  return kDone;
}

}  // namespace espalier::cli
