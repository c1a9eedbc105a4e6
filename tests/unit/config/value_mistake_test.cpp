// SPDX-License-Identifier: Apache-2.0
//
// Mistakes in values, and those that only the whole shows.
#include "mistake.hpp"

namespace espalier {
namespace {

// A second tunnel of 'left', whose last table goes on.
const std::string kThird = R"([site.third]
address = "192.0.2.3"
networks = ["10.3.0.0/24"]
[[tunnel]]
name = "u"
sites = ["left", "third"]
transform = "aes256gcm16"
keys = { file = "{site}.keys" }
)";

const std::vector<Mistake> kValues =
    {
        {"NumbersOutOfRange",
         changed(base(), {{"\"left\"\n", "\"left\"\nworkers = 0\n"},
                          {"[site.right]", "port = 65536\ntun = { mtu = 100 }\n[site.right]"},
                          {R"(name = "t")", "name = \"t\"\nreplay_window = 31"}}) +
             R"([backend.aesni]
max_sas = -1
)",
         {R"~(3:11: error: 'workers' is 0: expected a number from 1 to 256)~",
          R"~(7:8: error: 'port' is 65536: expected a number from 1 to 65535)~",
          R"~(8:15: error: 'mtu' is 100: expected a number from 576 to 65535)~",
          R"~(14:17: error: 'replay_window' is 31: expected a number from 32 to 4096)~",
          R"~(19:11: error: 'max_sas' is -1: expected a number from 1 up)~"}},
        {"FloatsForIntegers",
         changed(base(), {{"\"left\"\n", "\"left\"\nworkers = 1.0\n"},
                          {"[site.right]",
                           "port = 4.5e3\ntun = { name = \"ü\", mtu = 1_400.0 }\n[site.right]"}}),
         {R"~(3:11: error: 'workers' is the float 1.0: expected a number from 1 to 256; write it as an integer)~",
          R"~(7:8: error: 'port' is the float 4.5e3: expected a number from 1 to 65535; write it as an integer)~",
          R"~(8:16: error: 'name' is "ü": expected a name for the TUN device, such as "esp0"; a network interface has 1 to 15 letters, digits, '.', '_' and '-', and is not called 'all' or 'default')~",
          R"~(8:27: error: 'mtu' is the float 1_400.0: expected a number from 576 to 65535; write it as an integer)~"}},
        {"TunnelOptions",
         changed(base(), {{R"(name = "t")", R"(name = "t"
mode = "transprot"
encapsulation = "none"
nat = { follow_peer = true }
lifetime = { soft_seconds = 60, hard_seconds = 50, hard_byte = 1 }
outer = { dscp = 64 }
dummies = { bytes = 0 })"}}),
         {R"~(11:8: error: 'mode' is "transprot": expected "tunnel" or "transport"; did you mean 'transport'?)~",
          R"~(13:7: error: 'nat' needs encapsulation = "udp": raw ESP has no ports that a NAT could tell apart)~",
          R"~(14:12: error: 'lifetime': soft_seconds is 60 and hard_seconds 50: expected the soft limit to come first, so that there is time to rekey)~",
          R"~(14:52: error: unknown key 'hard_byte' in 'lifetime'; did you mean 'hard_bytes'?)~",
          R"~(15:18: error: 'dscp' is 64: expected a number from 0 to 63; without this key it is that of the inner packet)~",
          R"~(16:11: error: 'dummies' has no 'interval': expected a number of milliseconds from 1 to 3600000)~",
          R"~(16:21: error: 'bytes' is 0: expected a number from 1 to 65000)~"}},
        {"NoSasIsDisabled",
         base() + R"([backend.aesni]
max_sas = 0
)",
         {R"~(15:11: error: 'max_sas' is 0: expected a number from 1 up; to keep SAs off a backend write enabled = false)~"}},
        {"KernelRulesAndStop",
         changed(base(),
                 {{"\"left\"\n", "\"left\"\nkernel_rules = \"requird\"\non_stop = true\n"}}),
         {R"~(3:16: error: 'kernel_rules' is "requird": expected "required" or "optional"; did you mean 'required'?)~",
          R"~(4:11: error: 'on_stop' is true: expected "open" or "closed")~"}},
        {"TwoEncapsulationsAtOneGateway",
         base() + kThird + R"(encapsulation = "none"
)",
         {R"~(18:8: error: tunnel 'u' has another encapsulation than tunnel 't' (gateway.toml:10) of site 'left', which one gateway cannot serve: expected the same 'encapsulation' in all, or a gateway for each)~"}},
        {"TwoEncapsulationsAtASiteThatMayBeOurs",
         changed(base(), {{"site = \"left\"\n", ""}}) + kThird + R"(encapsulation = "none"
)",
         {R"~(17:8: warning: tunnel 'u' has another encapsulation than tunnel 't' (gateway.toml:9) of site 'left', which one gateway cannot serve: expected the same 'encapsulation' in all, or a gateway for each)~"}},
        {"TwoEncapsulationsAtASiteThatIsNotOurs",
         changed(base(), {{"site = \"left\"", "site = \"right\""}}) + kThird +
             R"(encapsulation = "none"
)",
         {}},
        {"NetworksBehindTransportMode",
         changed(base(), {{"10.2.0.0/24", "192.0.2.2/32"}}) + "mode = \"transport\"\n",
         {R"~(14:8: warning: tunnel 't' in transport mode carries what the two addresses say to each other alone, so that nothing reaches 10.1.0.0/24 of site 'left' (gateway.toml:5): expected mode = "tunnel" for the networks behind a site)~"}},
        {"UnknownTransform",
         changed(base(), {{"aes256gcm16", "aes256gmc16"}}),
         {R"~(12:13: error: 'transform': unknown transform 'aes256gmc16'; did you mean 'aes256gcm16'?)~"}},
        {"RefusedTransform",
         changed(base(), {{"aes256gcm16", "des-md5"}}),
         {"12:13: error: 'transform': " + find_transform("des-md5").error().message}},
        {"WeakTransform",
         changed(base(), {{"aes256gcm16", "3des-sha1"}}),
         {R"~(12:13: warning: 3des-sha1: 3DES SHOULD NOT be used (RFC 8221): slow, and its 64-bit blocks are too small)~"}},
        {"Addresses",
         changed(base(),
                 {{R"(192.0.2.1")", R"(192.0.2.256")"},
                  {"10.2.0.0/24", "10.2.0.1/24"},
                  {"[site.right]", "tun = { addresses = [\"10.1.0.1/33\"] }\n[site.right]"}}),
         {R"~(4:11: error: 'address' is "192.0.2.256": expected the outer IP address of this site, such as "192.0.2.1")~",
          R"~(6:22: error: 'addresses' is "10.1.0.1/33": expected a list of addresses with prefix length, such as ["10.1.0.1/24"])~",
          R"~(9:13: error: 'networks': '10.2.0.1/24' has bits set beyond its prefix length; did you mean '10.2.0.0/24'?)~"}},
        {"AddressWithPort",
         changed(base(), {{R"(192.0.2.1")", R"(192.0.2.1:4501")"}}),
         {R"~(4:11: error: 'address' is "192.0.2.1:4501": expected the outer IP address of this site, such as "192.0.2.1"; its UDP port goes into the key 'port')~"}},
        {"Ipv6AddressWithPort",
         changed(base(), {{R"(192.0.2.1")", R"([2001:db8::1]:4501")"}}),
         {R"~(4:11: error: 'address' is "[2001:db8::1]:4501": expected the outer IP address of this site, such as "192.0.2.1"; its UDP port goes into the key 'port')~"}},
        {"AddressWithWhatIsNoPort",
         changed(base(), {{R"(192.0.2.1")", R"(192.0.2.1:udp")"}}),
         {R"~(4:11: error: 'address' is "192.0.2.1:udp": expected the outer IP address of this site, such as "192.0.2.1")~"}},
        {"NetworksEmptyOrTwice",
         changed(base(), {{R"(["10.1.0.0/24"])", "[]"},
                          {R"(["10.2.0.0/24"])", R"(["10.2.0.0/24", "10.2.0.0/24"])"}}),
         {R"~(5:12: error: 'networks' is an empty list: expected a list of prefixes behind this site, such as ["10.1.0.0/24"])~",
          R"~(8:28: error: 'networks' has "10.2.0.0/24" twice: leave one out)~"}},
        {"NameWithSlash",
         changed(base(), {{R"(name = "t")", R"(name = "a/b")"}}),
         {R"~(10:8: error: 'name' is "a/b": expected a name for this tunnel, unique; a name has letters, digits, '.', '_' and '-', at most 64 of them)~"}},
        {"SiteNameWithSlash",
         base() + R"([site."a/b"]
)",
         {R"~(14:7: error: a site's name has letters, digits, '.', '_' and '-', at most 64 of them)~"}},
        {"InterfaceTooLong",
         changed(base(), {{"[site.right]", "interface = \"a-very-long-interface\"\n[site.right]"}}),
         {R"~(6:13: error: 'interface' is "a-very-long-interface": expected a network interface, such as "eth0"; a network interface has 1 to 15 letters, digits, '.', '_' and '-', and is not called 'all' or 'default')~"}},
        {"MtuTooSmallForIpv6",
         changed(base(), {{"[site.right]",
                           "tun = { addresses = [\"fd00::1/64\"], mtu = 1000 }\n[site.right]"}}),
         {R"~(6:7: error: 'mtu' is 1000, but IPv6 needs at least 1280: raise it or take the IPv6 addresses out)~"}},
        {"TunAddressesOutsideOfTheNetworks",
         changed(base(),
                 {{"[site.right]",
                   "tun = { addresses = [\"10.1.0.1/24\", \"10.9.0.1/24\", \"fd00::1/64\"] }\n"
                   "[site.right]"}}),
         {R"~(6:37: warning: the TUN device of site 'left' has the address 10.9.0.1, which is in none of its 'networks': packets from it are in no tunnel and are dropped)~", R"~(6:52: warning: the TUN device of site 'left' has the address fd00::1, which is in none of its 'networks': packets from it are in no tunnel and are dropped)~"}},
        {"UnknownPlaceholder",
         changed(base(), {{"\"left\"\n", "\"left\"\ncontrol_socket = \"/run/{host}.sock\"\n"}}),
         {R"~(3:18: error: 'control_socket' has an unknown placeholder: only {site} is replaced, by the name of the site that runs)~"}},
        {"SocketPathTooLong",
         changed(base(),
                 {{"\"left\"\n",
                   "\"left\"\ncontrol_socket = "
                   "\"/run/"
                   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                   "xxxxxxxxxxxxxxxxxxxxxxxxx.sock\"\n"}}),
         {R"~(3:18: error: the path of the control socket has 110 characters, but Linux takes at most 107: /run/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.sock)~"}},
        {"OptionsThatAreNoJson",
         base() + R"([backend.aesni]
options = { since = 1979-05-27, factor = inf }
)",
         {R"~(15:21: error: 'options' goes to the backend as JSON, which has no dates: write a string)~",
          R"~(15:42: error: 'options' goes to the backend as JSON, which has no such number)~"}},
        {"BackendName",
         base() + R"([backend."a b"]
)",
         {R"~(14:10: error: a backend's name has letters, digits, '.', '_', '-')~"}},
};

INSTANTIATE_TEST_SUITE_P(Values, MistakeTest, testing::ValuesIn(kValues), mistake_name);

const std::vector<Mistake> kWhole = {
    {"OwnSiteUnknown",
     changed(base(), {{R"(site = "left")", R"(site = "lfet")"}}),
     {R"~(2:8: error: there is no [site.lfet]; did you mean 'left'?)~"}},
    {"SiteOfTunnelUnknown",
     changed(base(), {{R"("right"])", R"("rihgt"])"}}),
     {R"~(11:18: error: there is no [site.rihgt]; did you mean 'right'?)~"}},
    {"OneSite",
     changed(base(), {{R"(["left", "right"])", R"(["left"])"}}),
     {R"~(11:9: error: 'sites' is a list of 1: expected the names of two sites, such as ["left", "right"])~"}},
    {"TunnelToItself",
     changed(base(), {{R"(["left", "right"])", R"(["left", "left"])"}}),
     {R"~(11:18: error: tunnel 't' leads from 'left' to itself: expected two sites)~"}},
    {"TunnelNameTwice",
     base() + R"([[tunnel]]
name = "t"
sites = ["left", "right"]
transform = "aes256gcm16"
keys = { socket = true }
)",
     {R"~(15:8: error: there is a tunnel 't' already, at gateway.toml:10: names must be unique)~"}},
    {"OneNetworkOnBothEnds",
     changed(base(), {{"10.2.0.0", "10.1.0.0"}}),
     {R"~(11:10: error: both ends of tunnel 't' have the network 10.1.0.0/24 (gateway.toml:5 and gateway.toml:8): nobody could tell which end a packet is for)~"}},
    {"OneAddressForTwoSites",
     changed(base(), {{"192.0.2.2", "192.0.2.1"}}),
     {R"~(7:11: error: site 'right' has the address and port of site 'left' (192.0.2.1:4500, at gateway.toml:4): expected an end of its own)~"}},
    {"TwoWaysToOneNetwork",
     base() + R"([site.other]
address = "192.0.2.3"
networks = ["10.2.0.0/24"]
[[tunnel]]
name = "u"
sites = ["left", "other"]
transform = "aes256gcm16"
keys = { socket = true }
)",
     {R"~(18:8: error: tunnels 't' (gateway.toml:10) and 'u' both lead from 'left' to 10.2.0.0/24: expected one way to each network)~"}},
    {"IpVersionsThatDoNotMeet",
     changed(base(), {{"192.0.2.2", "2001:db8::2"}, {"10.2.0.0/24", "fd00::/64"}}),
     {R"~(11:10: error: the ends of tunnel 't' have the addresses 192.0.2.1 and 2001:db8::2: expected two of one IP version)~",
      R"~(11:10: error: tunnel 't' could carry nothing: 'left' and 'right' have no networks of one IP version)~"}},
    {"MtusThatNoUsualPathTakes",
     changed(base(),
             {{"[site.right]", "tun = { mtu = 1480 }\n[site.right]"},
              {"address = \"192.0.2.2\"", "tun = { mtu = 1438 }\naddress = \"192.0.2.2\""}}) +
         changed(kThird, {{"192.0.2.3\"", "192.0.2.3\"\ntun = { mtu = 8000 }"},
                          {"aes256gcm16", "aes256-sha512"}}),
     {R"~(6:15: warning: 'mtu' is 1480, but with ESP around them only packets of up to 1406 bytes fit a path of 1500 (tunnel 'u'): longer ones are fragmented on their way, or lost; write 1406 unless all paths take more)~"}},
    {"OuterAddressesOfNoSingleMachine",
     changed(base(), {{"192.0.2.1", "0.0.0.0"}, {"192.0.2.2", "255.255.255.255"}}) + kThird +
         R"([site.a]
address = "224.0.0.1"
networks = ["10.4.0.0/24"]
[site.b]
address = "::"
networks = ["10.5.0.0/24"]
[site.c]
address = "ff02::1"
networks = ["10.6.0.0/24"]
)",
     {R"~(4:11: error: 'address' is "0.0.0.0": expected the outer IP address of this site, such as "192.0.2.1"; this is no single machine's)~",
      R"~(7:11: error: 'address' is "255.255.255.255": expected the outer IP address of this site, such as "192.0.2.1"; this is no single machine's)~",
      R"~(23:11: error: 'address' is "224.0.0.1": expected the outer IP address of this site, such as "192.0.2.1"; this is no single machine's)~",
      R"~(26:11: error: 'address' is "::": expected the outer IP address of this site, such as "192.0.2.1"; this is no single machine's)~",
      R"~(29:11: error: 'address' is "ff02::1": expected the outer IP address of this site, such as "192.0.2.1"; this is no single machine's)~"}},
    {"NetworksThatNoTunnelCarries",
     changed(base(), {{"[\"10.1.0.0/24\"]", "[\"10.1.0.0/24\", \"127.0.0.0/8\", \"0.0.0.0/0\"]"},
                      {"[\"10.2.0.0/24\"]", "[\"10.2.0.0/24\", \"239.1.0.0/16\", \"ff05::/16\"]"}}),
     {R"~(5:28: error: the network 127.0.0.0/8 of site 'left' is of loopback addresses, which never leave a machine: expected those behind the site)~",
      R"~(8:28: error: the network 239.1.0.0/16 of site 'right' is of multicast groups, which no tunnel between two sites carries: expected those behind the site)~",
      R"~(8:44: error: the network ff05::/16 of site 'right' is of multicast groups, which no tunnel between two sites carries: expected those behind the site)~"}},
    {"TunAddressesOfNoHost",
     changed(
         base(),
         {{"[site.right]",
           "tun = { addresses = [\"10.1.0.0/24\", \"10.1.0.0/31\", \"10.1.0.9\"] }\n[site.right]"},
          {"address = \"192.0.2.2\"",
           "tun = { addresses = [\"10.2.0.255/24\"] }\naddress = \"192.0.2.2\""}}),
     {R"~(6:22: warning: the TUN device of site 'left' has the address 10.1.0.0/24, which is the first address of that network: others may take no packet from it; expected one of a host, such as 10.1.0.1/24)~",
      R"~(8:22: warning: the TUN device of site 'right' has the address 10.2.0.255/24, which is the broadcast address of that network: others may take no packet from it; expected one of a host, such as 10.2.0.254/24)~"}},
    {"SiteInNoTunnel",
     base() + R"([site.other]
address = "192.0.2.3"
networks = ["10.3.0.0/24"]
)",
     {R"~(14:7: warning: site 'other' is in no tunnel)~"}},
    {"IncludesThatAreNotThere",
     changed(base(), {{"[gateway]", "include = [\"peers/*.toml\", \"one.toml\"]\n[gateway]"}}),
     {R"~(1:12: warning: no file matches "peers/*.toml")~",
      R"~(1:28: error: there is no file "one.toml" to include)~"}},
    {"Rules",
     changed(base(), {{R"(name = "t")", "name = \"t\"\nclass = \"bulk\""}}) + R"([[rule]]
name = "all"
match = {}
backends = ["aesni", "aesni"]
[[rule]]
name = "all"
match = { class = "bluk", transform = ["aes265gcm16"], peer = ["1.2.3/4"] }
backends = []
)",
     {R"~(18:22: error: 'backends' has "aesni" twice: leave one out)~",
      R"~(19:1: warning: rule 'all' is never reached: rule 'all' before it matches every SA)~",
      R"~(20:8: error: there is a rule 'all' already, at gateway.toml:16: names must be unique)~",
      R"~(21:19: warning: no tunnel has the class 'bluk'; did you mean 'bulk'?)~",
      R"~(21:40: error: 'transform': unknown transform 'aes265gcm16'; did you mean 'aes256gcm16'?)~",
      R"~(21:64: error: 'peer': '1.2.3' is not an IP address; write one like 192.0.2.1 or 2001:db8::1)~"}},
};

INSTANTIATE_TEST_SUITE_P(Whole, MistakeTest, testing::ValuesIn(kWhole), mistake_name);

}  // namespace
}  // namespace espalier
