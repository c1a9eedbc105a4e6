/* SPDX-License-Identifier: Apache-2.0
 *
 * The layout of the plugin ABI, major 1, on 64-bit machines: what a plugin built today will be read
 * by for as long as that major is spoken. Never change a number here; only add lines for members
 * that a later minor appends. Compiled as C11 and as C++.
 */
#include <assert.h>
#include <espalier/extensions.h>
#include <stddef.h>

#define AT(type, member, offset) \
  static_assert(offsetof(type, member) == (offset), #type "." #member " has moved")
#define SIZE(type, size) static_assert(sizeof(type) == (size), #type " has another size")

SIZE(espalier_op, 64);
AT(espalier_op, session, 0);
AT(espalier_op, esp, 8);
AT(espalier_op, iova, 16);
AT(espalier_op, dst, 24);
AT(espalier_op, dst_iova, 32);
AT(espalier_op, length, 40);
AT(espalier_op, icv_offset, 44);
AT(espalier_op, seq_hi, 48);
AT(espalier_op, status, 52);
AT(espalier_op, flags, 54);
AT(espalier_op, cookie, 56);

SIZE(espalier_plugin_entry, 16);
AT(espalier_plugin_entry, magic, 0);
AT(espalier_plugin_entry, abi_major, 4);
AT(espalier_plugin_entry, abi_minor, 6);
AT(espalier_plugin_entry, negotiate, 8);

SIZE(espalier_message, 16);
AT(espalier_message, text, 0);
AT(espalier_message, capacity, 8);

SIZE(espalier_bytes, 16);
AT(espalier_bytes, data, 0);
AT(espalier_bytes, size, 8);

SIZE(espalier_host, 64);
AT(espalier_host, abi_minor, 4);
AT(espalier_host, context, 8);
AT(espalier_host, log, 16);
AT(espalier_host, monotonic_ns, 24);
AT(espalier_host, secret_alloc, 32);
AT(espalier_host, secret_free, 40);
AT(espalier_host, event, 48);
AT(espalier_host, extension, 56);

SIZE(espalier_device_info, 232);
AT(espalier_device_info, dataplane, 4);
AT(espalier_device_info, id, 8);
AT(espalier_device_info, flags, 16);
AT(espalier_device_info, numa_node, 20);
AT(espalier_device_info, name, 24);
AT(espalier_device_info, description, 88);
AT(espalier_device_info, interface, 216);

SIZE(espalier_capability, 48);
AT(espalier_capability, cipher, 4);
AT(espalier_capability, integrity, 6);
AT(espalier_capability, key_bits, 8);
AT(espalier_capability, icv_bytes, 12);
AT(espalier_capability, directions, 16);
AT(espalier_capability, modes, 20);
AT(espalier_capability, encapsulations, 24);
AT(espalier_capability, families, 28);
AT(espalier_capability, esn, 32);
AT(espalier_capability, max_replay_window, 36);
AT(espalier_capability, max_length, 40);
AT(espalier_capability, score, 44);

SIZE(espalier_pool, 64);
AT(espalier_pool, kind, 4);
AT(espalier_pool, directions, 8);
AT(espalier_pool, use, 12);
AT(espalier_pool, capacity, 16);
AT(espalier_pool, used, 24);
AT(espalier_pool, name, 32);

SIZE(espalier_health, 136);
AT(espalier_health, state, 4);
AT(espalier_health, reason, 8);

SIZE(espalier_session_params, 72);
AT(espalier_session_params, cipher, 4);
AT(espalier_session_params, integrity, 6);
AT(espalier_session_params, direction, 8);
AT(espalier_session_params, icv_bytes, 12);
AT(espalier_session_params, esn, 16);
AT(espalier_session_params, cipher_key, 24);
AT(espalier_session_params, salt, 40);
AT(espalier_session_params, integrity_key, 56);

SIZE(espalier_userspace, 104);
AT(espalier_userspace, device_open, 8);
AT(espalier_userspace, device_close, 16);
AT(espalier_userspace, mem_attach, 24);
AT(espalier_userspace, mem_detach, 32);
AT(espalier_userspace, session_open, 40);
AT(espalier_userspace, session_close, 48);
AT(espalier_userspace, queue_open, 56);
AT(espalier_userspace, queue_close, 64);
AT(espalier_userspace, process, 72);
AT(espalier_userspace, submit, 80);
AT(espalier_userspace, poll, 88);
AT(espalier_userspace, queue_quiesce, 96);

SIZE(espalier_sa, 40);
AT(espalier_sa, cipher, 4);
AT(espalier_sa, integrity, 6);
AT(espalier_sa, key_bits, 8);
AT(espalier_sa, icv_bytes, 12);
AT(espalier_sa, direction, 16);
AT(espalier_sa, mode, 20);
AT(espalier_sa, encapsulation, 24);
AT(espalier_sa, family, 28);
AT(espalier_sa, esn, 32);
AT(espalier_sa, replay_window, 36);

SIZE(espalier_recipe, 216);
AT(espalier_recipe, offload, 4);
AT(espalier_recipe, interface, 8);
AT(espalier_recipe, driver, 24);
AT(espalier_recipe, module, 152);

SIZE(espalier_kernel, 16);
AT(espalier_kernel, recipe, 8);

SIZE(espalier_backend, 80);
AT(espalier_backend, self, 8);
AT(espalier_backend, close, 16);
AT(espalier_backend, enumerate, 24);
AT(espalier_backend, caps, 32);
AT(espalier_backend, pools, 40);
AT(espalier_backend, health, 48);
AT(espalier_backend, userspace, 56);
AT(espalier_backend, kernel, 64);
AT(espalier_backend, extension, 72);

SIZE(espalier_host_plugins, 24);
AT(espalier_host_plugins, context, 8);
AT(espalier_host_plugins, find, 16);

static_assert(ESPALIER_ABI_MAGIC == 0x4c505345u, "the magic has changed");
static_assert(ESPALIER_ICV(8) == 4 && ESPALIER_ICV(32) == 256, "ICV bits have moved");
