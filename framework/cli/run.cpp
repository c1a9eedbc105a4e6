// SPDX-License-Identifier: Apache-2.0
#include "backends.hpp"
#include "configuration.hpp"
#include "harden.hpp"
#include "run_kernel.hpp"
#include "run_keys.hpp"
#include "run_loop.hpp"
#include "run_network.hpp"
#include "run_places.hpp"
#include "run_reload.hpp"
#include "verbs.hpp"

#include "gateway/control_service.hpp"
#include "gateway/reach.hpp"
#include "gateway/side_traffic.hpp"
#include "gateway/site_view.hpp"
#include "observe/render.hpp"

#include <espalier/abi.h>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include <malloc.h>

#include <cstdlib>
#include <memory>

namespace espalier::cli {
namespace {

struct Options {
  ConfigOptions config;
  bool json = false;
};

// "1 address and 2 routes", without what there is none of.
std::string lost_words(const InterfaceChange& change) {
  std::vector<std::string> parts;
  if (change.addresses > 0) parts.push_back(counted(change.addresses, "address"));
  if (change.routes > 0) parts.push_back(counted(change.routes, "route"));
  return fmt::format("{}", fmt::join(parts, " and "));
}

// A gateway from its configuration to its end. Members are destroyed in reverse order.
class Run {
 public:
  // Gives the configuration as it is now, having told its findings.

  Run(GatewayConfig config, ReadConfiguration read, SecretPool& secrets,
      std::unique_ptr<Registry> registry, Log log)
      : config_(std::move(config)),
        read_(std::move(read)),
        secrets_(secrets),
        log_(std::move(log)),
        registry_(std::move(registry)) {}

  // Everything up to the first packet. What can fail without harm comes before keys are claimed.
  Result<void> start();
  Result<void> serve();
  // The only way out where a device keeps a thread: what runs in it must not be taken from under
  // it.
  [[noreturn]] void leave_at_once();
  bool is_stuck() const noexcept { return stuck_; }
  void print_end(const Console& console, bool json);

 private:
  void prepare_backends();
  Result<void> add_sas(const std::vector<SaSpec>& specs);
  void start_control(ControlSocket socket);
  void follow_configuration();
  void look_after_rules();
  void look_after_interface();
  void leave_rules();

  boost::asio::io_context loop_;
  GatewayConfig config_;
  ReadConfiguration read_;
  SecretPool& secrets_;
  Log log_;
  RunSignals signals_{loop_};
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Placer> placer_;
  Network network_;
  std::unique_ptr<Reach> reach_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<Monitor> monitor_;
  std::unique_ptr<ControlService> service_;
  std::unique_ptr<ControlServer> server_;
  std::unique_ptr<SideTraffic> side_traffic_;
  bool stuck_ = false;
};

void Run::prepare_backends() {
  for (const BackendInfo& backend : registry_->backends())
    if (!backend.rejected.empty())
      log_(ESPALIER_LOG_WARNING, fmt::format("Backend '{}' is set aside ({}): {}", backend.name,
                                             backend.path, backend.rejected));
  placer_ = std::make_unique<Placer>(*registry_, config_.policy);
}

Result<void> Run::start() {
  auto specs = sa_specs(config_, "");
  if (!specs) return std::unexpected(specs.error());
  prepare_backends();
  if (auto checked = check_places(*specs, *placer_, config_.policy); !checked) return checked;
  if (!may_administer_network()) return fail(ErrorCode::permission, kNoPermissionForTun);
  auto socket = ControlSocket::listen(config_.control_socket);
  if (!socket) return std::unexpected(socket.error());
  auto network = open_network(config_, log_);
  if (!network) return std::unexpected(network.error());
  network_ = std::move(*network);
  reach_ = std::make_unique<Reach>(*network_.setup, network_.rules.get(),
                                   config_.sites.at(config_.site).outer.address, reach_of(config_));
  if (auto opened = reach_->open(); !opened) return opened;
  const EngineOptions options{
      .before_follow = [this](const Endpoint& made_for, const Endpoint& now) {
        return reach_->follow(made_for, now.address);
      }};
  auto engine = Engine::create(options, std::move(network_.ports));
  if (!engine) return std::unexpected(engine.error());
  engine_ = std::move(*engine);
  gateway_ = std::make_unique<Gateway>(*registry_, *placer_, *engine_, log_);
  gateway_->surround({[this](const SaSpec& sa) { return reach_->add(sa); },
                      [this](const SaSpec& sa) { reach_->remove(sa); }});
  monitor_ = std::make_unique<Monitor>(*gateway_, network_.counters);
  if (signals_.stopped()) return fail(ErrorCode::transient, "Stopped before it had started.");
  if (auto added = add_sas(*specs); !added) return added;
  if (network_.rules)
    if (auto closed = network_.rules->commit(); !closed) return closed;
  start_control(std::move(*socket));
  return {};
}

Result<void> Run::add_sas(const std::vector<SaSpec>& specs) {
  auto keyed = claim_keys(config_, specs, secrets_);
  if (!keyed) return std::unexpected(keyed.error());
  for (KeyedSa& sa : *keyed)
    if (auto added = gateway_->add(sa.spec, std::move(sa.keys)); !added)
      return std::unexpected(added.error());
  for (const std::string& tunnel : tunnels_by_socket(config_))
    log_(ESPALIER_LOG_INFO, waits_for_its_sas(tunnel, config_));
  return {};
}

void Run::start_control(ControlSocket socket) {
  service_ = std::make_unique<ControlService>(*gateway_, *monitor_, secrets_, config_);
  server_ = std::make_unique<ControlServer>(
      loop_, std::move(socket), [this](std::span<char> line) { return service_->answer(line); },
      [this] { loop_.stop(); });
}

// On SIGHUP.
void Run::follow_configuration() {
  const bool followed = follow({config_, *gateway_, *placer_, secrets_, log_, reach_.get()},
                               read_(), registry_->backends());
  if (followed && side_traffic_) side_traffic_->follow(config_);
}

// A reload of the machine's own rules ("flush ruleset") takes those of a gateway away with them.
void Run::look_after_rules() {
  if (!network_.rules) return;
  const auto restored = network_.rules->restore();
  if (!restored)
    log_(ESPALIER_LOG_ERROR,
         fmt::format("The rules against packets in the clear were taken away: {}",
                     restored.error().message));
  else if (*restored)
    log_(ESPALIER_LOG_WARNING,
         fmt::format("Somebody changed the nftables table inet {}; it is as before again.",
                     io::table_of(config_.site)));
}

// An interface that is set down loses its routes, and addresses of IPv6.
void Run::look_after_interface() {
  const auto& tun = config_.sites.at(config_.site).tun_name;
  const auto change = network_.setup->restore();
  if (!change)
    log_(ESPALIER_LOG_ERROR,
         fmt::format("The addresses or routes of '{}' were taken away, and cannot be put back: {}",
                     tun, change.error().message));
  else if (change->down)
    log_(ESPALIER_LOG_WARNING,
         fmt::format("Somebody has set the TUN device '{0}' down: nothing is carried until it is "
                     "up again ('ip link set {0} up').",
                     tun));
  else if (change->addresses + change->routes > 0)
    log_(
        ESPALIER_LOG_WARNING,
        fmt::format("The TUN device '{}' had lost {}, as when it is set down and up; what was lost "
                    "is there again.",
                    tun, lost_words(*change)));
}

// At a clean end. Any other leaves what the peers have behind them closed.
void Run::leave_rules() {
  if (!network_.rules) return;
  if (config_.on_stop == OnStop::open) return network_.rules->open();
  log_(ESPALIER_LOG_INFO,
       fmt::format("The networks of the peers stay closed until the next run; 'nft delete table "
                   "inet {}' opens them.",
                   io::table_of(config_.site)));
}

Result<void> Run::serve() {
  if (network_.rules) network_.rules->keep();
  RunLoop loop(loop_, *gateway_, *engine_, *monitor_, log_);
  signals_.on_stop([&] { loop.stop(); });
  engine_->start();
  malloc_trim(0);  // what reading the configuration and placing its SAs needed goes back
  log_(ESPALIER_LOG_INFO,
       fmt::format("Site '{}' runs with {}; control socket {}.", config_.site,
                   counted(gateway_->size(), "SA"), config_.control_socket.native()));
  loop.each_second([this] {
    look_after_rules();
    look_after_interface();
  });
  bool gone = false;
  loop.on_event([&](GatewayEvent event) {
    if (event.kind == GatewayEvent::Kind::tun_gone) {
      gone = true;
      loop.stop();
    }
    server_->publish(service_->note(std::move(event)));
  });
  side_traffic_ = std::make_unique<SideTraffic>(loop_, *gateway_);
  side_traffic_->follow(config_);
  signals_.on_reload([this] { follow_configuration(); });
  if (!signals_.stopped()) loop.run();
  signals_.on_reload({});
  side_traffic_.reset();
  auto stopped = engine_->stop();
  stuck_ = !stopped;
  signals_.on_stop({});
  if (!stopped || !gone) {
    leave_rules();
    return stopped;
  }
  return fail(ErrorCode::lost,
              fmt::format("Somebody has deleted the TUN device '{}', so that nothing can be "
                          "carried. The networks of the peers stay closed; start it again.",
                          config_.sites.at(config_.site).tun_name));
}

// The rules against packets in the clear stay, as after any unclean end.
void Run::leave_at_once() {
  server_.reset();
  network_.setup.reset();
  std::_Exit(kFailed);
}

void Run::print_end(const Console& console, bool json) {
  monitor_->sample(std::chrono::steady_clock::now());
  const auto reports = monitor_->reports();
  const auto drops = drops_json(gateway_->drops());
  if (!json) {
    console.print(render_sas(reports, console.style()));
    console.print('\n' +
                  render_drops(with_wire(drops, monitor_->port_counters()), console.style()));
    return;
  }
  auto list = nlohmann::ordered_json::array();
  for (const SaReport& report : reports) list.push_back(to_json(report));
  console.print_json({{"sas", list}, {"drops", drops}, {"wire", monitor_->port_counters()}});
}

int run(const Options& options, const Console& console) {
  if (options.config.file == "-")
    return console.refuse({ErrorCode::invalid,
                           "A gateway reads its configuration again at each reload: name a file "
                           "instead of '-'."});
  const auto secrets = SecretPool::create();
  if (!secrets) return console.fail(secrets.error());
  auto reading = read_and_tell(options.config, **secrets, console);
  const auto& config = reading.config;
  if (!config) return kUsage;
  if (const auto specs = sa_specs(*config, ""); !specs) return console.refuse(specs.error());
  const Log log = make_log();
  if (const auto hardened = harden_process(); !hardened->warning.empty())
    log(ESPALIER_LOG_WARNING, hardened->warning);
  auto registry = load_backends(backend_options(*config), **secrets, log);
  if (!registry) return console.fail(registry.error());
  if (!tell_names(reading, (*registry)->backends())) return unusable(options.config, console);
  const ReadConfiguration again = [&] { return read_and_tell(options.config, **secrets, console); };
  if (config->dataplane == Dataplane::kernel)
    return run_kernel(std::move(*reading.config), again, **secrets, std::move(*registry), log,
                      console, options.json);
  Run gateway(std::move(*reading.config), again, **secrets, std::move(*registry), log);
  if (auto started = gateway.start(); !started) return console.fail(started.error());
  const auto stopped = gateway.serve();
  gateway.print_end(console, options.json);
  if (stopped) return kDone;
  const int failed = console.fail(stopped.error());
  if (gateway.is_stuck()) gateway.leave_at_once();
  return failed;
}

}  // namespace

void add_run(CLI::App& app, const Console& console, int& exit_code) {
  auto* verb = app.add_subcommand(
      "run", "Run the gateway of a site until SIGTERM or SIGINT, then show what its SAs carried");
  const auto options = std::make_shared<Options>();
  add_config_options(*verb, options->config);
  auto& overrides = options->config.overrides;
  verb->add_option("--keys", overrides.key_folder, "Folder of the one-time key files");
  verb->add_option(
      "--state", overrides.state_directory,
      "Folder of the claims of used key files: keep it with the keys, since under another "
      "one a copy of a used key file would be taken for fresh");
  verb->add_option("--socket", overrides.control_socket, "Path of the control socket");
  verb->add_flag("--json", options->json, "The closing table as JSON");
  verb->footer(
      "SIGHUP reads the configuration again: SAs of tunnels that did not change go on as they "
      "are\n(docs/reload.md).\n"
      "Needs root, or CAP_NET_ADMIN and /dev/net/tun; 'unshare -Urn' gives both to try.\n"
      "Example:\n  espalier run site-to-site.toml --site left");
  verb->callback([=, &console, &exit_code] { exit_code = run(*options, console); });
}

}  // namespace espalier::cli
