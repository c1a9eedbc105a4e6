// SPDX-License-Identifier: Apache-2.0
#include "asked.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

extern "C" const espalier_plugin_entry espalier_plugin_kernel_crypto, espalier_plugin_pcrypt,
    espalier_plugin_padlock, espalier_plugin_quickassist;

namespace espalier::kernel_plugins {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string proc_crypto() {
  return proc_entry("rfc4106(gcm(aes))", "rfc4106-gcm-aesni-avx", 500, "aead", "aesni_intel") +
         proc_entry("cbc(aes)", "virtio_crypto_aes_cbc", 150, "skcipher", "virtio_crypto") +
         proc_entry("sha1", "sha1-generic", 100, "shash", "kernel") +
         proc_entry("xts(aes)", "xts-aes-aesni", 400, "skcipher", "aesni_intel") +
         proc_entry("__cbc(aes)", "__cbc-aes-aesni", 400, "skcipher", "aesni_intel", "yes");
}

TEST(KernelCrypto, HasNoDeviceThatNobodyNames) {
  EXPECT_THAT(Asked(espalier_plugin_kernel_crypto, "{}").devices(), IsEmpty());
}

TEST(KernelCrypto, ADriverThatIsNamedIsADevice) {
  const Scratch scratch;
  const auto file = scratch.file("crypto", proc_crypto());
  const Asked asked(espalier_plugin_kernel_crypto,
                    fmt::format(R"({{"proc_crypto": "{}", "drivers": ["virtio_crypto_aes_cbc",
                                "rfc4106-gcm-aesni-avx", "virtio_crypto_aes_cbc"]}})",
                                file));
  const auto devices = asked.devices();
  ASSERT_THAT(devices, SizeIs(2));
  EXPECT_STREQ(devices[0].name, "virtio_crypto_aes_cbc");
  EXPECT_EQ(devices[0].dataplane, ESPALIER_KERNEL);
  EXPECT_EQ(asked.recipe(1, "aes128-sha1", true), "virtio_crypto_aes_cbc, virtio_crypto");
  EXPECT_EQ(asked.recipe(1, "aes256-sha512", false), "virtio_crypto_aes_cbc, virtio_crypto");
  EXPECT_EQ(asked.recipe(1, "aes128gcm16", true), "");
  EXPECT_EQ(asked.recipe(2, "aes128gcm16", true), "rfc4106-gcm-aesni-avx, aesni_intel");
  EXPECT_EQ(asked.recipe(3, "aes128gcm16", true), "");
}

TEST(KernelCrypto, SaysWhyANameIsNoDevice) {
  const Scratch scratch;
  const auto file = scratch.file("crypto", proc_crypto());
  const Asked asked(espalier_plugin_kernel_crypto,
                    fmt::format(R"({{"proc_crypto": "{}", "drivers": ["caam", "xts-aes-aesni",
                                "__cbc-aes-aesni"]}})",
                                file));
  EXPECT_THAT(asked.devices(), IsEmpty());
  EXPECT_THAT(asked.said, ElementsAre(HasSubstr("no crypto driver caam"),
                                      HasSubstr("does xts(aes), which is no part of ESP"),
                                      HasSubstr("no crypto driver __cbc-aes-aesni")));
}

TEST(KernelCrypto, RefusesOptionsThatItDoesNotHave) {
  for (const char* options :
       {"[]", "{\"driver\": \"x\"}", "{\"drivers\": \"x\"}", "{\"drivers\": [1]}"}) {
    const Asked asked(espalier_plugin_kernel_crypto, options);
    EXPECT_EQ(asked.status, ESPALIER_INVALID) << options;
  }
}

class PcryptTest : public testing::Test {
 protected:
  std::string options(const std::string& more = "", const std::string& release = "6.14.2") {
    return fmt::format(R"({{"proc_crypto": "{}", "modules": "{}", "cpus": 4, "release": "{}"{}}})",
                       scratch_.file("crypto", proc_crypto()), scratch_.path(), release, more);
  }
  void have_module(const std::string& release = "6.14.2") {
    scratch_.file(release + "/modules.dep", "kernel/crypto/pcrypt.ko.xz:\n");
  }
  Scratch scratch_;
};

TEST_F(PcryptTest, SpreadsTheKernelsOwnChoice) {
  have_module();
  const Asked asked(espalier_plugin_pcrypt, options());
  ASSERT_THAT(asked.devices(), SizeIs(1));
  EXPECT_EQ(asked.recipe(1, "aes128gcm16", true), "pcrypt(rfc4106(gcm(aes))), pcrypt");
  EXPECT_EQ(asked.recipe(1, "aes128-sha1", false), "pcrypt(authenc(hmac(sha1),cbc(aes))), pcrypt");
  EXPECT_EQ(asked.recipe(1, "aes128-sha1", true),
            "pcrypt(authencesn(hmac(sha1),cbc(aes))), pcrypt");
  EXPECT_EQ(asked.recipe(1, "null-sha1", true), "");
  EXPECT_THAT(asked.said, IsEmpty());
}

TEST_F(PcryptTest, EveryTransformThatTheKernelCanSpreadHasItsNameInside) {
  have_module();
  const Asked asked(espalier_plugin_pcrypt, options());
  for (const TransformInfo& info : transforms()) {
    if (info.transform.cipher == Cipher::null) continue;
    EXPECT_EQ(asked.recipe(1, info.name, false),
              fmt::format("pcrypt({}), pcrypt", info.kernel_name));
  }
}

TEST_F(PcryptTest, SpreadsWhatItIsTold) {
  have_module();
  const Asked asked(espalier_plugin_pcrypt, options(R"(, "inside": ["virtio_crypto_aes_cbc"])"));
  EXPECT_EQ(asked.recipe(1, "aes128-sha1", true), "pcrypt(virtio_crypto_aes_cbc), pcrypt");
  EXPECT_EQ(asked.recipe(1, "aes128gcm16", true), "pcrypt(rfc4106(gcm(aes))), pcrypt");
}

TEST_F(PcryptTest, IsNotThereWithoutItsModuleOrOnOneCpu) {
  EXPECT_THAT(Asked(espalier_plugin_pcrypt, options()).devices(), IsEmpty());
  have_module();
  EXPECT_THAT(Asked(espalier_plugin_pcrypt, options(R"(, "cpus": 1)")).devices(), IsEmpty());
}

TEST_F(PcryptTest, WarnsOnceOfAKernelWithKnownFaults) {
  for (const auto& [release, fault] :
       {std::pair{"6.11.0", "CVE-2024-47739"}, std::pair{"6.12.117+deb12-amd64", "CVE-2024-56690"},
        std::pair{"6.13.1", "CVE-2025-21727"}, std::pair{"odd", "CVE-2024-47739"}}) {
    have_module(release);
    const Asked asked(espalier_plugin_pcrypt, options("", release));
    EXPECT_THAT(asked.said, IsEmpty()) << "nobody has an SA there yet";
    for (int i = 0; i < 2; ++i) asked.recipe(1, "aes128gcm16", true);
    EXPECT_THAT(asked.said, ElementsAre(HasSubstr(fault))) << release;
  }
}

TEST_F(PcryptTest, RefusesOptionsThatItDoesNotHave) {
  for (const char* more : {R"(, "insid": [])", R"(, "inside": "x")", R"(, "inside": [1])"})
    EXPECT_EQ(Asked(espalier_plugin_pcrypt, options(more)).status, ESPALIER_INVALID) << more;
}

TEST(QuickAssist, DoesCbcWithHmacInOneAndNoEsn) {
  const Scratch scratch;
  const auto file = scratch.file(
      "crypto", proc_crypto() +
                    proc_entry("authenc(hmac(sha1),cbc(aes))", "qat_aes_cbc_hmac_sha1", 100, "aead",
                               "intel_qat") +
                    proc_entry("cbc(aes)", "qat_aes_cbc", 100, "skcipher", "intel_qat"));
  const Asked asked(espalier_plugin_quickassist, fmt::format(R"({{"proc_crypto": "{}"}})", file));
  ASSERT_THAT(asked.devices(), SizeIs(1));
  EXPECT_EQ(asked.recipe(1, "aes256-sha1", false), "qat_aes_cbc_hmac_sha1, intel_qat");
  EXPECT_EQ(asked.recipe(1, "aes256-sha1", true), "");
  EXPECT_EQ(asked.recipe(1, "aes256-sha256", false), "");
  EXPECT_EQ(asked.recipe(1, "aes256gcm16", false), "");
}

TEST(PadLock, DoesCbcAndIsFasterWithItsOwnHash) {
  const Scratch scratch;
  const auto file = scratch.file(
      "crypto", proc_entry("cbc(aes)", "cbc-aes-padlock", 400, "skcipher", "padlock_aes") +
                    proc_entry("sha1", "sha1-padlock", 300, "shash", "padlock_sha"));
  const Asked asked(espalier_plugin_padlock, fmt::format(R"({{"proc_crypto": "{}"}})", file));
  ASSERT_THAT(asked.devices(), SizeIs(1));
  EXPECT_EQ(asked.recipe(1, "aes128-sha1", true), "cbc-aes-padlock, padlock_aes");
  EXPECT_EQ(asked.recipe(1, "aes128gcm16", true), "");
  std::map<std::uint16_t, std::uint32_t> scores;
  for (const auto& each : asked.caps(1)) scores[each.integrity] = each.score;
  EXPECT_GT(scores[ESPALIER_INTEGRITY_HMAC_SHA1], scores[ESPALIER_INTEGRITY_HMAC_SHA256]);
}

TEST(KernelBackends, HaveNoDeviceWhereTheKernelHasNoDriver) {
  const Scratch scratch;
  const auto options =
      fmt::format(R"({{"proc_crypto": "{}"}})", scratch.file("crypto", proc_crypto()));
  for (const auto* entry : {&espalier_plugin_padlock, &espalier_plugin_quickassist}) {
    const Asked asked(*entry, options);
    EXPECT_EQ(asked.status, ESPALIER_OK);
    EXPECT_THAT(asked.devices(), IsEmpty());
  }
}

TEST(KernelBackends, AKernelWithoutCryptoHasNoDeviceEither) {
  for (const auto* entry : {&espalier_plugin_padlock, &espalier_plugin_quickassist}) {
    const Asked asked(*entry, R"({"proc_crypto": "/nowhere"})");
    EXPECT_EQ(asked.status, ESPALIER_OK);
    EXPECT_THAT(asked.devices(), IsEmpty());
  }
}

TEST(KernelBackends, RefuseOptionsThatTheyDoNotHave) {
  for (const auto* entry : {&espalier_plugin_padlock, &espalier_plugin_quickassist})
    EXPECT_EQ(Asked(*entry, R"({"cards": 2})").status, ESPALIER_INVALID);
}

}  // namespace
}  // namespace espalier::kernel_plugins
