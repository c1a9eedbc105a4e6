// SPDX-License-Identifier: Apache-2.0
//
// What a person sees for each mistake: a snippet, and the exact sentences about it.
#include "mistake.hpp"

namespace espalier {

std::string changed(std::string text,
                    const std::vector<std::pair<std::string, std::string>>& changes) {
  for (const auto& [from, to] : changes) {
    const std::size_t at = text.find(from);
    if (at == std::string::npos) throw std::invalid_argument("nothing to change: " + from);
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string base() {
  return R"([gateway]
site = "left"
[site.left]
address = "192.0.2.1"
networks = ["10.1.0.0/24"]
[site.right]
address = "192.0.2.2"
networks = ["10.2.0.0/24"]
[[tunnel]]
name = "t"
sites = ["left", "right"]
transform = "aes256gcm16"
keys = { file = "{site}.keys" }
)";
}

std::string static_base() {
  return R"([gateway]
site = "left"
[site.left]
address = "192.0.2.1"
networks = ["10.1.0.0/24"]
[site.right]
address = "192.0.2.2"
networks = ["10.2.0.0/24"]
[[tunnel]]
name = "t"
sites = ["left", "right"]
transform = "aes128-sha1"
[tunnel.keys.static]
spi = [0x1001, 0x1002]
[tunnel.keys.static.forward]
cipher_key = "00112233445566778899aabbccddeeff"
integrity_key = "000102030405060708090a0b0c0d0e0f10111213"
[tunnel.keys.static.backward]
cipher_key = "ffeeddccbbaa99887766554433221100"
integrity_key = "131211100f0e0d0c0b0a09080706050403020100"
)";
}

TEST_P(MistakeTest, IsNamedWithItsPlaceAndWhatToDo) {
  std::vector<std::string> seen;
  for (std::string sentence : sentences(read(GetParam().text))) {
    const std::string file = "gateway.toml:";
    seen.push_back(sentence.starts_with(file) ? sentence.substr(file.size()) : sentence);
  }
  EXPECT_EQ(seen, GetParam().sentences);
}

namespace {

const std::vector<Mistake> kSyntax = {
    {"TextWithoutQuotes",
     changed(base(), {{R"("192.0.2.1")", "localhost"}}),
     {R"~(4:11: error: not valid TOML: value: could not determine value type; a text must stand in quotes)~"}},
    {"ThreeSyntaxErrorsAtOnce",
     changed(base(), {{"\"left\"\n", "left\nworkers = = 2\n"}, {"[site.left]", "[site.left"}}),
     {R"~(2:8: error: not valid TOML: value: could not determine value type; a text must stand in quotes)~",
      R"~(3:11: error: not valid TOML: value: could not determine value type; a text must stand in quotes)~",
      R"~(4:11: error: not valid TOML: table header: expected ']', saw '\n')~"}},
    {"SyntaxErrorAndUnknownKey",
     changed(base(), {{R"("192.0.2.1")", "192.0.2.1"}, {R"(name = "t")", R"(nmae = "t")"}}),
     {R"~(4:16: error: not valid TOML: floating-point: expected decimal digit or exponent, saw '.'; a text must stand in quotes)~",
      R"~(10:1: error: unknown key 'nmae' in [[tunnel]]; did you mean 'name'?)~"}},
    {"ListWithoutEnd",
     changed(base(), {{R"("10.1.0.0/24"])", "\"10.1.0.0/24\"\ninterface = \"eth0\""}}),
     {R"~(6:1: error: not valid TOML: array: expected comma or closing ']', saw 'i'; is a closing bracket missing above?)~"}},
    {"TextWithoutEnd",
     changed(base(), {{R"("192.0.2.1")", R"("192.0.2.1)"}}),
     {R"~(4:21: error: not valid TOML: string: unescaped control characters other than TAB (U+0009) are explicitly prohibited; is the closing quote missing?)~"}},
    {"TableTwice",
     base() + R"([site.left]
address = "192.0.2.9"
)",
     {R"~(14:1: error: not valid TOML: table header: cannot redefine existing table 'site.left')~"}},
    {"KeyTwice",
     base() + R"(name = "u"
)",
     {R"~(14:8: error: not valid TOML: key-value pair: cannot redefine existing string 'name')~"}},
    {"FileEndsInAList",
     base() + R"([policy]
backends = ["aesni",
)",
     {R"~(15:22: error: not valid TOML: array: encountered end-of-file; is a closing quote or bracket missing above?)~"}},
};

INSTANTIATE_TEST_SUITE_P(Syntax, MistakeTest, testing::ValuesIn(kSyntax), mistake_name);

const std::vector<Mistake> kKeys = {
    {"UnknownTable",
     base() + R"([gatewya]
workers = 2
)",
     {R"~(14:2: error: unknown key 'gatewya' in the file; did you mean 'gateway'?)~"}},
    {"UnknownTableUnlikeAny",
     base() + R"([frobnicate]
)",
     {R"~(14:2: error: unknown key 'frobnicate' in the file; known here: include, gateway, plugins, backend, policy, rule, site, tunnel)~"}},
    {"UnknownKeyInEveryTable",
     R"([gateway]
worker = 1
[plugins]
folder = []
[backend.aesni]
maxsas = 1
[policy]
backend = []
[[rule]]
name = "r"
backends = ["aesni"]
falback = "next"
match = { clas = "bulk" }
[site.left]
address = "192.0.2.1"
networks = ["10.1.0.0/24"]
mtu = 1400
tun = { adresses = [] }
)",
     {R"~(2:1: error: unknown key 'worker' in [gateway]; did you mean 'workers'?)~",
      R"~(4:1: error: unknown key 'folder' in [plugins]; did you mean 'folders'?)~",
      R"~(6:1: error: unknown key 'maxsas' in [backend.aesni]; did you mean 'max_sas'?)~",
      R"~(8:1: error: unknown key 'backend' in [policy]; did you mean 'backends'?)~",
      R"~(12:1: error: unknown key 'falback' in [[rule]]; did you mean 'fallback'?)~",
      R"~(13:11: error: unknown key 'clas' in 'match' of a [[rule]]; did you mean 'class'?)~",
      R"~(17:1: error: unknown key 'mtu' in [site.left]; known here: address, port, interface, networks, tun)~",
      R"~(18:9: error: unknown key 'adresses' in 'tun' of [site.left]; did you mean 'addresses'?)~"}},
    {"MissingKeys",
     R"([[rule]]
[site.left]
[[tunnel]]
)",
     {R"~(1:1: error: [[rule]] has no 'name': expected a name for this rule, unique)~",
      R"~(1:1: error: [[rule]] has no 'match': expected a table of what an SA must be, such as { class = "bulk" })~",
      R"~(1:1: error: [[rule]] has no 'backends': expected a list of backends, the preferred first, such as ["quickassist", "aesni"])~",
      R"~(2:1: error: [site.left] has no 'address': expected the outer IP address of this site, such as "192.0.2.1")~",
      R"~(2:1: error: [site.left] has no 'networks': expected a list of prefixes behind this site, such as ["10.1.0.0/24"])~",
      R"~(3:1: error: [[tunnel]] has no 'name': expected a name for this tunnel, unique)~",
      R"~(3:1: error: [[tunnel]] has no 'sites': expected the names of two sites, such as ["left", "right"])~",
      R"~(3:1: error: [[tunnel]] has no 'transform': expected a transform, such as "aes256gcm16")~",
      R"~(3:1: error: [[tunnel]] has no 'keys': expected one of { file = "{site}.keys" }, { socket = true } and { static = { ... } })~"}},
    {"WrongKindsOfTables",
     R"(gateway = 1
plugins = "x"
backend = true
policy = 1.5
rule = 1979-05-27
site = []
tunnel = {}
include = "peers/*.toml"
)",
     {R"~(1:11: error: 'gateway' is 1: expected a table [gateway])~",
      R"~(2:11: error: 'plugins' is "x": expected a table [plugins])~",
      R"~(3:11: error: 'backend' is true: expected tables [backend.NAME])~",
      R"~(4:10: error: 'policy' is the float 1.5: expected a table [policy])~",
      R"~(5:8: error: 'rule' is a date or time: expected tables [[rule]])~",
      R"~(6:8: error: 'site' is an empty list: expected tables [site.NAME])~",
      R"~(7:10: error: 'tunnel' is a table: expected tables [[tunnel]])~",
      R"~(8:11: error: 'include' is "peers/*.toml": expected a list of files, such as ["peers/*.toml"]; did you mean ["peers/*.toml"]?)~"}},
    {"WrongKindsOfValues",
     R"([gateway]
site = 1
dataplane = true
workers = "2"
control_socket = 1
[policy]
backends = "aesni"
fallback = 1
[site.left]
address = 1
port = "4500"
networks = "10.1.0.0/24"
tun = "esp0"
[[tunnel]]
name = 1
sites = "left"
transform = 1
esn = 1
keys = "x"
)",
     {R"~(2:8: error: 'site' is 1: expected the name of a [site.NAME] table)~",
      R"~(3:13: error: 'dataplane' is true: expected "userspace" or "kernel")~",
      R"~(4:11: error: 'workers' is "2": expected a number from 1 to 256)~",
      R"~(5:18: error: 'control_socket' is 1: expected a path, such as "/run/espalier/{site}.sock")~",
      R"~(7:12: error: 'backends' is "aesni": expected a list of backends, the preferred first, such as ["quickassist", "aesni"]; did you mean ["aesni"]?)~",
      R"~(8:12: error: 'fallback' is 1: expected "next", "software" or "fail")~",
      R"~(10:11: error: 'address' is 1: expected the outer IP address of this site, such as "192.0.2.1")~",
      R"~(11:8: error: 'port' is "4500": expected a number from 1 to 65535)~",
      R"~(12:12: error: 'networks' is "10.1.0.0/24": expected a list of prefixes behind this site, such as ["10.1.0.0/24"]; did you mean ["10.1.0.0/24"]?)~",
      R"~(13:7: error: 'tun' is "esp0": expected a table, such as { name = "esp0", addresses = ["10.1.0.1/24"], mtu = 1400 })~",
      R"~(15:8: error: 'name' is 1: expected a name for this tunnel, unique)~",
      R"~(16:9: error: 'sites' is "left": expected the names of two sites, such as ["left", "right"]; did you mean ["left"]?)~",
      R"~(17:13: error: 'transform' is 1: expected a transform, such as "aes256gcm16")~",
      R"~(18:7: error: 'esn' is 1: expected true or false)~",
      R"~(19:8: error: 'keys' is "x": expected one of { file = "{site}.keys" }, { socket = true } and { static = { ... } })~"}},
    {"ChoicesMisspelt",
     changed(base(), {{"\"left\"\n", "\"left\"\ndataplane = \"userspce\"\n"},
                      {R"(name = "t")", "name = \"t\"\nencapsulation = \"UDP\""}}) +
         R"([policy]
fallback = "softwar"
[[rule]]
name = "r"
backends = ["aesni"]
match = { direction = "out" }
)",
     {R"~(3:13: error: 'dataplane' is "userspce": expected "userspace" or "kernel"; did you mean 'userspace'?)~",
      R"~(12:17: error: 'encapsulation' is "UDP": expected "udp" or "none"; did you mean 'udp'?)~",
      R"~(17:12: error: 'fallback' is "softwar": expected "next", "software" or "fail"; did you mean 'software'?)~",
      R"~(21:23: error: 'direction' is "out": expected "outbound" or "inbound")~"}},
};

INSTANTIATE_TEST_SUITE_P(Keys, MistakeTest, testing::ValuesIn(kKeys), mistake_name);

}  // namespace
}  // namespace espalier
