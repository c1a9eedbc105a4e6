// SPDX-License-Identifier: Apache-2.0
#include "hmac_lanes.hpp"

#include <bit>
#include <cstring>

namespace espalier::aesni {
namespace {

constexpr std::uint32_t bit(CipherGroup group) noexcept {
  return std::uint32_t{1} << static_cast<std::uint32_t>(group);
}
constexpr std::uint32_t bit(HashGroup group) noexcept {
  return std::uint32_t{1} << static_cast<std::uint32_t>(group);
}

bool is_ctr(CipherGroup group) noexcept {
  return group >= CipherGroup::ctr128 && group <= CipherGroup::ctr256;
}

IMB_KEY_SIZE_BYTES key_size(CipherGroup group) noexcept {
  switch (group) {
    case CipherGroup::cbc128:
    case CipherGroup::ctr128:
      return IMB_KEY_128_BYTES;
    case CipherGroup::cbc192:
    case CipherGroup::ctr192:
    case CipherGroup::des3:
      return IMB_KEY_192_BYTES;
    default:
      return IMB_KEY_256_BYTES;
  }
}

IMB_HASH_ALG algorithm(HashGroup group) noexcept {
  switch (group) {
    case HashGroup::md5:
      return IMB_AUTH_MD5;
    case HashGroup::sha1:
      return IMB_AUTH_HMAC_SHA_1;
    case HashGroup::sha256:
      return IMB_AUTH_HMAC_SHA_256;
    case HashGroup::sha384:
      return IMB_AUTH_HMAC_SHA_384;
    case HashGroup::sha512:
      break;
  }
  return IMB_AUTH_HMAC_SHA_512;
}

}  // namespace

HmacLanes::~HmacLanes() {
  sdk::wipe(packets_.data(), sizeof packets_);
  sdk::wipe(jobs_.data(), sizeof jobs_);
  sdk::wipe(digests_.data(), sizeof digests_);
}

void HmacLanes::add(espalier_op& op, const HmacSession& session) noexcept {
  Packet& packet = packets_[count_++];
  packet.op = &op;
  packet.session = &session;
  packet.hashed = session.shape.inbound ? op.esp : sdk::target(op);
  packet.failed = false;
  if (is_ctr(session.cipher)) {
    std::memcpy(packet.iv, &session.salt, sdk::kSalt);
    std::memcpy(packet.iv + sdk::kSalt, op.esp + sdk::kEspHeader, sdk::kAeadIv);
  }
}

void HmacLanes::run() noexcept {
  copy_headers();
  cipher(false);
  hash();
  settle();
  cipher(true);
  for (Packet& packet : packets()) {
    if (packet.failed && packet.op->status == ESPALIER_OP_DONE)
      packet.op->status = ESPALIER_OP_FAILED;
  }
  count_ = 0;
}

void HmacLanes::copy_headers() noexcept {
  for (const Packet& packet : packets()) {
    if (!sdk::in_place(*packet.op))
      std::memcpy(packet.op->dst, packet.op->esp, packet.session->shape.payload_offset());
  }
}

// Encrypts what goes out or decrypts what came in, unless it failed before.
void HmacLanes::cipher(bool inbound) noexcept {
  std::uint32_t present = 0;
  for (const Packet& packet : packets()) {
    if (packet.session->shape.inbound == inbound) present |= bit(packet.session->cipher);
  }
  for (; present != 0; present &= present - 1) {
    const auto group = static_cast<CipherGroup>(std::countr_zero(present));
    Members members;
    const std::uint32_t n = gather_cipher(group, inbound, members);
    if (group == CipherGroup::null || n == 0) continue;
    submit_cipher(group, inbound, n);
    for (std::uint32_t i = 0; i < n; ++i) {
      if (jobs_[i].status != IMB_STATUS_COMPLETED) packets_[members[i]].failed = true;
    }
  }
}

std::uint32_t HmacLanes::gather_cipher(CipherGroup group, bool inbound, Members& members) noexcept {
  std::uint32_t n = 0;
  for (std::uint32_t i = 0; i < count_; ++i) {
    const Packet& packet = packets_[i];
    const HmacSession& session = *packet.session;
    if (packet.failed || session.shape.inbound != inbound || session.cipher != group) continue;
    const auto offset = session.shape.payload_offset();
    const auto size = packet.op->icv_offset - offset;
    if (size == 0) continue;
    std::uint8_t* const out = sdk::target(*packet.op) + offset;
    if (group == CipherGroup::null) {
      if (!sdk::in_place(*packet.op)) std::memcpy(out, packet.op->esp + offset, size);
      continue;
    }
    members[n] = static_cast<std::uint8_t>(i);
    IMB_JOB& job = jobs_[n++];
    job.src = packet.op->esp;
    job.dst = out;
    job.cipher_start_src_offset_in_bytes = offset;
    job.msg_len_to_cipher_in_bytes = size;
    job.iv = is_ctr(group) ? packet.iv : packet.op->esp + sdk::kEspHeader;
    job.iv_len_in_bytes = is_ctr(group) ? sdk::kAeadNonce : session.shape.iv_bytes;
    job.enc_keys = session.keys;
    job.dec_keys = session.keys;
    job.key_len_in_bytes = key_size(group);
    job.status = IMB_STATUS_BEING_PROCESSED;
  }
  return n;
}

void HmacLanes::submit_cipher(CipherGroup group, bool inbound, std::uint32_t n) noexcept {
  const bool decrypt = inbound && !is_ctr(group);
  if (group == CipherGroup::des3) {
    for (IMB_JOB& job : std::span(jobs_.data(), n)) {
      job.cipher_mode = IMB_CIPHER_DES3;
      job.cipher_direction = decrypt ? IMB_DIR_DECRYPT : IMB_DIR_ENCRYPT;
      job.chain_order = decrypt ? IMB_ORDER_HASH_CIPHER : IMB_ORDER_CIPHER_HASH;
      job.hash_alg = IMB_AUTH_NULL;
    }
    return run_jobs(n);
  }
  IMB_SUBMIT_CIPHER_BURST_NOCHECK(&main_, jobs_.data(), n,
                                  is_ctr(group) ? IMB_CIPHER_CNTR : IMB_CIPHER_CBC,
                                  decrypt ? IMB_DIR_DECRYPT : IMB_DIR_ENCRYPT, key_size(group));
}

void HmacLanes::hash() noexcept {
  std::uint32_t present = 0;
  for (const Packet& packet : packets()) present |= bit(packet.session->hash);
  for (; present != 0; present &= present - 1)
    hash_group(static_cast<HashGroup>(std::countr_zero(present)));
}

void HmacLanes::hash_group(HashGroup group) noexcept {
  Members members;
  std::uint32_t n = 0;
  for (std::uint32_t i = 0; i < count_; ++i) {
    Packet& packet = packets_[i];
    const HmacSession& session = *packet.session;
    if (packet.failed || session.hash != group) continue;
    if (session.shape.esn) put_high_sequence(packet);
    members[n] = static_cast<std::uint8_t>(i);
    IMB_JOB& job = jobs_[n++];
    job.src = packet.hashed;
    job.hash_start_src_offset_in_bytes = 0;
    job.msg_len_to_hash_in_bytes = packet.op->icv_offset + (session.shape.esn ? 4U : 0U);
    job.auth_tag_output = digests_[i].data();
    job.auth_tag_output_len_in_bytes = session.shape.icv_bytes;
    job.u.HMAC._hashed_auth_key_xor_ipad = session.ipad;
    job.u.HMAC._hashed_auth_key_xor_opad = session.opad;
    job.hash_alg = algorithm(group);
    job.status = IMB_STATUS_BEING_PROCESSED;
  }
  if (n == 0) return;
  submit_hash(group, n);
  for (std::uint32_t i = 0; i < n; ++i) {
    if (jobs_[i].status != IMB_STATUS_COMPLETED) packets_[members[i]].failed = true;
  }
}

void HmacLanes::submit_hash(HashGroup group, std::uint32_t n) noexcept {
  if (group == HashGroup::md5) {
    for (IMB_JOB& job : std::span(jobs_.data(), n)) {
      job.cipher_mode = IMB_CIPHER_NULL;
      job.cipher_direction = IMB_DIR_DECRYPT;
      job.chain_order = IMB_ORDER_HASH_CIPHER;
    }
    return run_jobs(n);
  }
  IMB_MGR& manager = group == HashGroup::sha256 ? sha256_ : main_;
  IMB_SUBMIT_HASH_BURST_NOCHECK(&manager, jobs_.data(), n, algorithm(group));
}

// The first n of jobs_ through the manager's own queue, which is empty before and after.
void HmacLanes::run_jobs(std::uint32_t n) noexcept {
  const auto settled = [](IMB_JOB* done) {
    if (done != nullptr) static_cast<IMB_JOB*>(done->user_data)->status = done->status;
    return done != nullptr;
  };
  for (std::uint32_t i = 0; i < n; ++i) {
    IMB_JOB* const job = IMB_GET_NEXT_JOB(&main_);
    *job = jobs_[i];
    job->user_data = &jobs_[i];
    settled(IMB_SUBMIT_JOB_NOCHECK(&main_));
  }
  while (settled(IMB_FLUSH_JOB(&main_))) {
  }
}

// ipsec-mb hashes one contiguous message, but with ESN four bytes follow the ciphertext that are
// not sent. They are put where the ICV goes, which is put back in settle().
void HmacLanes::put_high_sequence(Packet& packet) noexcept {
  std::uint8_t* const icv = packet.hashed + packet.op->icv_offset;
  std::memcpy(&packet.under_icv, icv, sizeof packet.under_icv);
  sdk::store_be32(icv, packet.op->seq_hi);
}

void HmacLanes::settle() noexcept {
  for (std::uint32_t i = 0; i < count_; ++i) {
    Packet& packet = packets_[i];
    const auto& shape = packet.session->shape;
    std::uint8_t* const icv = packet.hashed + packet.op->icv_offset;
    if (shape.inbound && shape.esn) std::memcpy(icv, &packet.under_icv, sizeof packet.under_icv);
    packet.op->status = packet.failed ? ESPALIER_OP_FAILED : ESPALIER_OP_DONE;
    if (packet.failed) continue;
    if (!shape.inbound) {
      std::memcpy(icv, digests_[i].data(), shape.icv_bytes);
      continue;
    }
    if (sdk::equal_in_constant_time(icv, digests_[i].data(), shape.icv_bytes)) continue;
    packet.op->status = ESPALIER_OP_BAD_ICV;
    packet.failed = true;
    // Only with the NULL cipher are the bytes that came in already plaintext.
    if (packet.session->cipher == CipherGroup::null && sdk::in_place(*packet.op))
      sdk::wipe(packet.op->esp + sdk::kEspHeader, packet.op->icv_offset - sdk::kEspHeader);
  }
}

}  // namespace espalier::aesni
