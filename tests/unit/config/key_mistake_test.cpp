// SPDX-License-Identifier: Apache-2.0
//
// Mistakes with keys: where they come from, and static ones. No sentence shows a key.
#include "mistake.hpp"

namespace espalier {
namespace {

const std::vector<Mistake> kSources = {
    {"NoSource",
     changed(base(), {{R"({ file = "{site}.keys" })", "{}"}}),
     {R"~(13:8: error: 'keys' is a table: expected one of { file = "{site}.keys" }, { socket = true } and { static = { ... } })~"}},
    {"TwoSources",
     changed(base(), {{"{ file", "{ socket = true, file"}}),
     {R"~(13:8: error: 'keys' says 2 ways to get them: expected one of { file = "{site}.keys" }, { socket = true } and { static = { ... } })~"}},
    {"SocketFalse",
     changed(base(), {{R"(file = "{site}.keys")", "socket = false"}}),
     {R"~(13:19: error: 'socket' is false: expected true: keys come over the control socket)~"}},
    {"KeyFileWithoutSite",
     changed(base(), {{"{site}.keys", "my.keys"}}),
     {R"~(13:17: error: 'file' is "my.keys": expected the name of a one-time key file, such as "{site}.keys"; it must have {site} in it, because each site has a file of its own)~"}},
    {"KeyFileWithFolder",
     changed(base(), {{"{site}.keys", "/etc/{site}.keys"}}),
     {R"~(13:17: error: 'file' is "/etc/{site}.keys": expected the name of a one-time key file, such as "{site}.keys"; a name alone: the folder is 'key_folder' of [gateway])~"}},
    {"KeyFilePlaceholder",
     changed(base(), {{"{site}.keys", "{site}-{host}.keys"}}),
     {R"~(13:17: error: 'file' is "{site}-{host}.keys": expected the name of a one-time key file, such as "{site}.keys"; a name alone: the folder is 'key_folder' of [gateway])~"}},
};

INSTANTIATE_TEST_SUITE_P(KeySources, MistakeTest, testing::ValuesIn(kSources), mistake_name);

const std::vector<Mistake> kStatic = {
    {"Warning",
     static_base(),
     {R"~(13:1: warning: static keys: the replay protection of tunnel 't' ends at each restart, after which the other end must be restarted, too; prefer one-time keys ('espalier keygen'))~"}},
    {"CounterMode",
     changed(static_base(), {{"aes128-sha1", "aes256gcm16"}}),
     {R"~(13:1: error: aes256gcm16 cannot run on static keys: after a restart it would use the same key and numbers again, which lays the traffic open and lets anybody forge it; write keys = { file = "{site}.keys" } and run 'espalier keygen', or hand keys over the control socket with keys = { socket = true })~"}},
    {"ReservedSpi",
     changed(static_base(), {{"0x1001, 0x1002", "255, 0"}}),
     {R"~(13:1: warning: static keys: the replay protection of tunnel 't' ends at each restart, after which the other end must be restarted, too; prefer one-time keys ('espalier keygen'))~",
      R"~(14:8: error: SPI 255 is reserved (RFC 4303 2.1): expected one from 256 up)~",
      R"~(14:13: error: SPI 0 is reserved (RFC 4303 2.1): expected one from 256 up)~"}},
    {"SpiOutOfRange",
     changed(static_base(), {{"0x1001, 0x1002", "0x100000000, -1"}}),
     {R"~(13:1: warning: static keys: the replay protection of tunnel 't' ends at each restart, after which the other end must be restarted, too; prefer one-time keys ('espalier keygen'))~",
      R"~(14:8: error: 'spi' is 4294967296: expected two numbers from 256 to 0xffffffff: [first to second site, and back])~",
      R"~(14:21: error: 'spi' is -1: expected two numbers from 256 to 0xffffffff: [first to second site, and back])~"}},
    {"OneSpi",
     changed(static_base(), {{"0x1001, 0x1002", "0x1001"}}),
     {R"~(13:1: warning: static keys: the replay protection of tunnel 't' ends at each restart, after which the other end must be restarted, too; prefer one-time keys ('espalier keygen'))~",
      R"~(14:7: error: 'spi' is a list of 1: expected two numbers from 256 to 0xffffffff: [first to second site, and back])~"}},
    {"KeysTooShort",
     changed(static_base(), {{"00112233445566778899aabbccddeeff", "0011"},
                             {"000102030405060708090a0b0c0d0e0f10111213", "00"}}),
     {R"~(13:1: warning: static keys: the replay protection of tunnel 't' ends at each restart, after which the other end must be restarted, too; prefer one-time keys ('espalier keygen'))~",
      R"~(16:14: error: 'cipher_key' has 4 hex digits: aes128-sha1 needs 32 (16 bytes))~",
      R"~(17:17: error: 'integrity_key' has 2 hex digits: aes128-sha1 needs 40 (20 bytes))~"}},
    {"KeysMissing",
     changed(static_base(),
             {{"cipher_key = \"00112233445566778899aabbccddeeff\"\n", ""},
              {"[tunnel.keys.static.backward]\n", "[tunnel.keys.static.backward]\n#"}}),
     {R"~(13:1: warning: static keys: the replay protection of tunnel 't' ends at each restart, after which the other end must be restarted, too; prefer one-time keys ('espalier keygen'))~",
      R"~(15:1: error: there is no 'cipher_key': aes128-sha1 needs one of 32 hex digits (16 bytes))~",
      R"~(17:1: error: there is no 'cipher_key': aes128-sha1 needs one of 32 hex digits (16 bytes))~"}},
    {"DirectionMissing",
     changed(static_base(),
             {{"[tunnel.keys.static.backward]\n", "[tunnel.keys.static.forwards]\n"}}),
     {R"~(13:1: error: 'static' of 'keys' has no 'backward': expected a table { cipher_key = ..., integrity_key = ... })~",
      R"~(13:1: warning: static keys: the replay protection of tunnel 't' ends at each restart, after which the other end must be restarted, too; prefer one-time keys ('espalier keygen'))~",
      R"~(18:21: error: unknown key 'forwards' in 'static' of 'keys'; did you mean 'forward'?)~"}},
    {"KeyForNull",
     changed(static_base(), {{"aes128-sha1", "null-sha1"}}),
     {R"~(12:13: warning: null-sha1: not encrypted: NULL only authenticates)~",
      R"~(13:1: warning: static keys: the replay protection of tunnel 't' ends at each restart, after which the other end must be restarted, too; prefer one-time keys ('espalier keygen'))~",
      R"~(16:14: error: 'cipher_key' is given, but null-sha1 takes none)~",
      R"~(19:14: error: 'cipher_key' is given, but null-sha1 takes none)~"}},
    {"NotHex",
     changed(static_base(), {{"00112233445566778899aabbccddeeff", "correct horse battery staple"},
                             {"000102030405060708090a0b0c0d0e0f10111213", "0xabc"}}),
     {R"~(13:1: warning: static keys: the replay protection of tunnel 't' ends at each restart, after which the other end must be restarted, too; prefer one-time keys ('espalier keygen'))~",
      R"~(16:14: error: 'cipher_key': a key in hex has a character at place 2 that is not one of 0-9, a-f)~",
      R"~(17:17: error: 'integrity_key': a key in hex has 3 digits; it must have two for each byte)~"}},
    {"KeyWithoutQuotes",
     changed(static_base(),
             {{R"("00112233445566778899aabbccddeeff")", "00112233445566778899aabbccddeeff"}}),
     {R"~(13:1: warning: static keys: the replay protection of tunnel 't' ends at each restart, after which the other end must be restarted, too; prefer one-time keys ('espalier keygen'))~",
      R"~(16:14: error: not valid TOML: value: could not determine value type; a text must stand in quotes)~"}},
    {"KeyIsANumber",
     changed(static_base(), {{R"("00112233445566778899aabbccddeeff")", "112233445566"}}),
     {R"~(13:1: warning: static keys: the replay protection of tunnel 't' ends at each restart, after which the other end must be restarted, too; prefer one-time keys ('espalier keygen'))~",
      R"~(16:14: error: not valid TOML: value: could not determine value type; a text must stand in quotes)~"}},
    {"KeyIsAList",
     changed(static_base(), {{R"("00112233445566778899aabbccddeeff")",
                              R"(["00112233445566778899aabbccddeeff"])"}}),
     {R"~(13:1: warning: static keys: the replay protection of tunnel 't' ends at each restart, after which the other end must be restarted, too; prefer one-time keys ('espalier keygen'))~",
      R"~(16:14: error: 'cipher_key' is a list of 1: expected hex digits, or { env = "NAME" }, or { file = "PATH" } that holds them)~"}},
    {"NoSuchEnvironmentOrFile",
     changed(static_base(),
             {{R"("00112233445566778899aabbccddeeff")", R"({ env = "ESPALIER_NO_SUCH_NAME" })"},
              {R"("000102030405060708090a0b0c0d0e0f10111213")", R"({ file = "no-such.key" })"}}),
     {R"~(13:1: warning: static keys: the replay protection of tunnel 't' ends at each restart, after which the other end must be restarted, too; prefer one-time keys ('espalier keygen'))~",
      R"~(16:14: error: 'cipher_key': the environment variable ESPALIER_NO_SUCH_NAME is not set)~",
      R"~(17:17: error: 'integrity_key': cannot open no-such.key: No such file or directory)~"}},
    {"KeySources",
     changed(static_base(),
             {{R"("00112233445566778899aabbccddeeff")", R"({ env = "A", file = "b" })"},
              {R"("000102030405060708090a0b0c0d0e0f10111213")", R"({ hex = "00" })"}}),
     {R"~(13:1: warning: static keys: the replay protection of tunnel 't' ends at each restart, after which the other end must be restarted, too; prefer one-time keys ('espalier keygen'))~", R"~(16:14: error: 'cipher_key' is a table: expected hex digits, or { env = "NAME" }, or { file = "PATH" } that holds them; name exactly one)~",
      R"~(17:19: error: unknown key 'hex' in 'integrity_key'; known here: env, file)~"}},
    {"KeysThatAnybodyWouldTry",
     changed(static_base(), {{"00112233445566778899aabbccddeeff", std::string(32, '0')},
                             {"131211100f0e0d0c0b0a09080706050403020100", std::string(40, '7')}}),
     {R"~(13:1: warning: static keys: the replay protection of tunnel 't' ends at each restart, after which the other end must be restarted, too; prefer one-time keys ('espalier keygen'))~",
      R"~(16:14: warning: 'cipher_key' is one byte over and over, which anybody would try first: expected a random key)~",
      R"~(20:17: warning: 'integrity_key' is one byte over and over, which anybody would try first: expected a random key)~"}},
    {"OneKeyForBothDirections",
     changed(static_base(),
             {{"ffeeddccbbaa99887766554433221100", "0x00112233445566778899AABBCCDDEEFF"}}),
     {R"~(13:1: warning: static keys: the replay protection of tunnel 't' ends at each restart, after which the other end must be restarted, too; prefer one-time keys ('espalier keygen'))~",
      R"~(19:14: warning: 'cipher_key' is the key at gateway.toml:16 again: expected one of its own for each SA, so for each direction of a tunnel)~"}},
    {"OneKeyForTwoTunnels",
     static_base() + R"([site.other]
address = "192.0.2.3"
networks = ["10.3.0.0/24"]
[[tunnel]]
name = "u"
sites = ["left", "other"]
transform = "null-sha1"
[tunnel.keys.static]
spi = [0x1001, 0x1003]
forward = { integrity_key = "000102030405060708090a0b0c0d0e0f10111213" }
backward = { integrity_key = "000102030405060708090a0b0c0d0e0f10111215" }
)",
     {R"~(13:1: warning: static keys: the replay protection of tunnel 't' ends at each restart, after which the other end must be restarted, too; prefer one-time keys ('espalier keygen'))~",
      R"~(27:13: warning: null-sha1: not encrypted: NULL only authenticates)~",
      R"~(28:1: warning: static keys: the replay protection of tunnel 'u' ends at each restart, after which the other end must be restarted, too; prefer one-time keys ('espalier keygen'))~",
      R"~(30:29: warning: 'integrity_key' is the key at gateway.toml:17 again: expected one of its own for each SA, so for each direction of a tunnel)~"}},
    {"SpiTwiceAtOneSite",
     static_base() + R"([site.other]
address = "192.0.2.3"
networks = ["10.3.0.0/24"]
[[tunnel]]
name = "u"
sites = ["left", "other"]
transform = "null-sha1"
[tunnel.keys.static]
spi = [0x1001, 0x1002]
forward = { integrity_key = "000102030405060708090a0b0c0d0e0f10111214" }
backward = { integrity_key = "000102030405060708090a0b0c0d0e0f10111215" }
)",
     {R"~(13:1: warning: static keys: the replay protection of tunnel 't' ends at each restart, after which the other end must be restarted, too; prefer one-time keys ('espalier keygen'))~",
      R"~(27:13: warning: null-sha1: not encrypted: NULL only authenticates)~",
      R"~(28:1: warning: static keys: the replay protection of tunnel 'u' ends at each restart, after which the other end must be restarted, too; prefer one-time keys ('espalier keygen'))~",
      R"~(29:16: error: SPI 0x1002 is taken already at site 'left', by gateway.toml:14: expected one of its own for each SA that a site receives)~"}},
    {"SpiTwiceAtOneAddressWithoutPorts",
     changed(static_base(),
             {{"[tunnel.keys.static]", "encapsulation = \"none\"\n[tunnel.keys.static]"}}) +
         R"([site.other]
address = "192.0.2.2"
port = 4501
networks = ["10.3.0.0/24"]
[[tunnel]]
name = "u"
sites = ["left", "other"]
transform = "null-sha1"
encapsulation = "none"
[tunnel.keys.static]
spi = [0x1001, 0x1003]
forward = { integrity_key = "000102030405060708090a0b0c0d0e0f10111214" }
backward = { integrity_key = "000102030405060708090a0b0c0d0e0f10111215" }
)",
     {R"~(14:1: warning: static keys: the replay protection of tunnel 't' ends at each restart, after which the other end must be restarted, too; prefer one-time keys ('espalier keygen'))~",
      R"~(29:13: warning: null-sha1: not encrypted: NULL only authenticates)~",
      R"~(31:1: warning: static keys: the replay protection of tunnel 'u' ends at each restart, after which the other end must be restarted, too; prefer one-time keys ('espalier keygen'))~",
      R"~(32:8: error: SPI 0x1001 is taken already at address 192.0.2.2, by gateway.toml:15: expected one of its own for each SA that a site receives)~"}},
};

INSTANTIATE_TEST_SUITE_P(StaticKeys, MistakeTest, testing::ValuesIn(kStatic), mistake_name);

}  // namespace
}  // namespace espalier
