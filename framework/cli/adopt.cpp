// SPDX-License-Identifier: Apache-2.0
#include "backends.hpp"
#include "configuration.hpp"
#include "harden.hpp"
#include "local_addresses.hpp"
#include "run_loop.hpp"
#include "run_news.hpp"
#include "run_steering.hpp"
#include "verbs.hpp"

#include "adopt/adopter.hpp"
#include "gateway/control_service.hpp"
#include "io/interface_watch.hpp"
#include "io/netlink.hpp"
#include "xfrm/event_socket.hpp"
#include "xfrm/netlink_transport.hpp"

#include <espalier/abi.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

namespace espalier::cli {
namespace {

using adopt::Adopter;

struct Options {
  ConfigOptions config;
};

// What adopts the SAs of an IKE daemon, from its configuration to its end. Members are destroyed in
// reverse order: the drivers are put back last, and SAs keep what they have.
class AdoptRun {
 public:
  AdoptRun(GatewayConfig config, SecretPool& secrets, std::unique_ptr<Registry> registry, Log log)
      : config_(std::move(config)),
        secrets_(secrets),
        log_(std::move(log)),
        registry_(std::move(registry)),
        steering_(config_.state_directory / "kernel-changes.json", log_) {}

  Result<void> start();
  void serve();

 private:
  Result<void> connect();
  std::string path_of(const SaSpec& sa);
  void listen();
  void listen_to_links();
  void each_second();

  boost::asio::io_context loop_;
  GatewayConfig config_;
  SecretPool& secrets_;
  Log log_;
  RunSignals signals_{loop_};
  boost::asio::steady_timer second_{loop_};
  LocalAddresses addresses_;
  std::unique_ptr<Registry> registry_;
  std::optional<io::RouteNetlink> routes_;
  RunSteering steering_;
  std::unique_ptr<xfrm::NetlinkTransport> kernel_;
  std::optional<xfrm::EventSocket> events_;
  std::optional<boost::asio::posix::stream_descriptor> news_;  // the events', not closed here
  std::optional<io::InterfaceWatch> links_;
  std::optional<boost::asio::posix::stream_descriptor> link_news_;  // theirs, not closed here
  std::unique_ptr<Placer> placer_;
  std::unique_ptr<Adopter> adopter_;
  std::unique_ptr<Monitor> monitor_;
  std::unique_ptr<ControlService> service_;
  std::unique_ptr<ControlServer> server_;
};

Result<void> AdoptRun::connect() {
  auto kernel = xfrm::NetlinkTransport::connect();
  if (!kernel) return std::unexpected(kernel.error());
  kernel_ = std::move(*kernel);
  auto events = xfrm::EventSocket::open(xfrm::EventSocket::Of::sas);
  if (!events) return std::unexpected(events.error());
  events_ = std::move(*events);
  auto routes = io::RouteNetlink::connect();
  if (!routes) return std::unexpected(routes.error());
  routes_ = std::move(*routes);
  auto links = io::InterfaceWatch::open_all();
  if (!links) return std::unexpected(links.error());
  links_ = std::move(*links);
  return {};
}

std::string AdoptRun::path_of(const SaSpec& sa) {
  auto path = routes_->interface_towards(sa.peer.address);
  if (path) return *path;
  log_(ESPALIER_LOG_WARNING, fmt::format("By which interface SA '{}' leaves is not known: {}",
                                         sa.name, path.error().message));
  return "";
}

Result<void> AdoptRun::start() {
  for (const BackendInfo& backend : registry_->backends())
    if (!backend.rejected.empty())
      log_(ESPALIER_LOG_WARNING,
           fmt::format("Backend '{}' is set aside: {}", backend.name, backend.rejected));
  if (!may_administer_network()) return fail(ErrorCode::permission, kNoPermissionForIpsec);
  if (auto connected = connect(); !connected) return connected;
  placer_ = std::make_unique<Placer>(*registry_, config_.policy, &std::chrono::steady_clock::now,
                                     Dataplane::kernel);
  auto socket = ControlSocket::listen(config_.control_socket);
  if (!socket) return std::unexpected(socket.error());
  adopter_ = std::make_unique<Adopter>(
      *registry_, *placer_, *kernel_, *events_,
      Adopter::Options{[this](const SaSpec& sa) { return path_of(sa); },
                       [this](const IpAddress& address) { return addresses_.has(address); },
                       [this] { return steering_.get(); }, log_});
  monitor_ =
      std::make_unique<Monitor>(*adopter_, std::vector<std::shared_ptr<const PortCounters>>());
  if (signals_.stopped()) return fail(ErrorCode::transient, "Stopped before it had started.");
  steering_.take_over();
  if (auto started = adopter_->start(); !started) return started;
  service_ = std::make_unique<ControlService>(*adopter_, *monitor_, secrets_, config_);
  server_ = std::make_unique<ControlServer>(
      loop_, std::move(*socket), [this](std::span<char> line) { return service_->answer(line); },
      [this] { loop_.stop(); });
  return {};
}

void AdoptRun::listen() {
  news_->async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](const auto& error) {
    if (error) return;
    adopter_->hear();
    listen();
  });
}

void AdoptRun::listen_to_links() {
  link_news_->async_wait(boost::asio::posix::stream_descriptor::wait_read,
                         [this](const auto& error) {
                           if (error) return;
                           if (links_->changed(0)) adopter_->look_for_missing();
                           listen_to_links();
                         });
}

void AdoptRun::each_second() {
  second_.expires_after(std::chrono::seconds(1));
  second_.async_wait([this](const auto& error) {
    if (error) return;
    tell_news(adopter_->tend(), *monitor_, *service_, *server_, log_);
    each_second();
  });
}

void AdoptRun::serve() {
  signals_.on_stop([this] { loop_.stop(); });
  signals_.on_reload([this] {
    log_(ESPALIER_LOG_WARNING,
         "The configuration is not read again: stop it, and start it anew. SAs go on meanwhile.");
  });
  log_(ESPALIER_LOG_INFO,
       fmt::format("{} adopted; new ones are as they come. Control socket {}.",
                   counted(adopter_->size(), "SA"), config_.control_socket.native()));
  news_.emplace(loop_, events_->descriptor());
  listen();
  link_news_.emplace(loop_, links_->descriptor());
  listen_to_links();
  each_second();
  if (!signals_.stopped()) {
    loop_.restart();
    loop_.run();
  }
  signals_.on_stop({});
  signals_.on_reload({});
  news_->release();
  link_news_->release();
  log_(ESPALIER_LOG_INFO,
       fmt::format("{} on as they are, and new ones are the kernel's alone.",
                   adopter_->size() == 1 ? "1 SA goes" : counted(adopter_->size(), "SA") + " go"));
}

int adopt_sas(const Options& options, const Console& console) {
  const auto secrets = SecretPool::create();
  if (!secrets) return console.fail(secrets.error());
  auto reading = read_and_tell(options.config, **secrets, console);
  auto& config = reading.config;
  if (!config) return kUsage;
  if (config->dataplane != Dataplane::kernel)
    return console.refuse({ErrorCode::invalid,
                           "SAs are adopted in the kernel's dataplane: write dataplane = "
                           "\"kernel\" into [gateway]."});
  const Log log = make_log();
  if (const auto hardened = harden_process(); !hardened->warning.empty())
    log(ESPALIER_LOG_WARNING, hardened->warning);
  auto registry = load_backends(backend_options(*config), **secrets, log);
  if (!registry) return console.fail(registry.error());
  if (!tell_names(reading, (*registry)->backends())) return unusable(options.config, console);
  if (!config->tunnels.empty())
    log(ESPALIER_LOG_WARNING,
        fmt::format("The configuration has {}, of which nothing is set up here: SAs come from the "
                    "IKE daemon.",
                    counted(config->tunnels.size(), "tunnel")));
  if (config->site.empty()) {
    config->site = config->file.stem().string();
    config->sites[config->site].name = config->site;
  }
  AdoptRun run(std::move(*config), **secrets, std::move(*registry), log);
  if (auto started = run.start(); !started) return console.fail(started.error());
  run.serve();
  return kDone;
}

}  // namespace

void add_adopt(CLI::App& app, const Console& console, int& exit_code) {
  auto* verb = app.add_subcommand(
      "adopt",
      "Give the SAs of an IKE daemon in the kernel the places that the policy wants, "
      "until SIGTERM or SIGINT");
  const auto options = std::make_shared<Options>();
  add_config_options(*verb, options->config);
  auto& overrides = options->config.overrides;
  verb->add_option("--state", overrides.state_directory,
                   "Folder that keeps what was changed in the kernel's crypto drivers");
  verb->add_option("--socket", overrides.control_socket, "Path of the control socket");
  verb->footer(
      "The SAs stay the daemon's: strongSwan or libreswan, unchanged, adds, rekeys and deletes "
      "them,\nand they go on when this is stopped. Of the configuration it follows [policy], "
      "[[rule]] and\n[backend.NAME]. Needs root, or CAP_NET_ADMIN.\n"
      "Examples:\n  espalier adopt ike-gateway.toml\n"
      "  espalier adopt ike-gateway.toml --socket /run/espalier/ike.sock\n"
      "  espalier status --socket /run/espalier/ike.sock");
  verb->callback([=, &console, &exit_code] { exit_code = adopt_sas(*options, console); });
}

}  // namespace espalier::cli
