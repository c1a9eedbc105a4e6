/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin boundary of Espalier: the only thing that crosses between framework and backend.
 * C11 (and C++17), self-contained, no dependency. Vendors normally write C++ over it: plugin.hpp.
 * Rules that hold for every function below
 *  - Structs start with struct_size, set by their allocator (in a list it is also the stride); touch
 *    no member beyond it. Members are only ever appended; espalier_op is frozen for an ABI major.
 *  - Whoever allocates frees. Pointers given to a call are valid during that call only, unless said.
 *  - A failing call returns a status and writes one sentence into `message`: what failed, where,
 *    what to do. It never prints, exits, throws, or keeps a lock.
 *  - Thread rules: [control] one thread at a time; [queue] the one thread that owns the queue,
 *    concurrently with [control] and other queues; [any] any thread at any time.
 */
#ifndef ESPALIER_ABI_H
#define ESPALIER_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ESPALIER_ABI_MAGIC 0x4c505345u /* "ESPL" */
#define ESPALIER_ABI_MAJOR 1u
#define ESPALIER_ABI_MINOR 0u
#define ESPALIER_PLUGIN_SYMBOL "espalier_plugin"
#define ESPALIER_MANIFEST_SECTION ".espalier.manifest"

/* Answers. Every refusal falls into one class; the framework acts on the class alone. */
typedef int32_t espalier_status;
enum {
  ESPALIER_OK = 0,
  ESPALIER_UNSUPPORTED = 1, /* this device can never do it */
  ESPALIER_CAPACITY = 2,    /* no room now; asked again when something has left */
  ESPALIER_TRANSIENT = 3,   /* try again later */
  ESPALIER_LOST = 4,        /* the device is gone or hung; it is quarantined */
  ESPALIER_PERMISSION = 5,  /* the operating system refused */
  ESPALIER_INVALID = 6      /* a malformed request: a bug in the caller */
};

enum { ESPALIER_CIPHER_NULL = 1, ESPALIER_CIPHER_AES_CBC, ESPALIER_CIPHER_AES_CTR,
       ESPALIER_CIPHER_3DES_CBC, ESPALIER_CIPHER_AES_GCM, ESPALIER_CIPHER_CHACHA20_POLY1305,
       ESPALIER_CIPHER_AES_GMAC };
enum { ESPALIER_INTEGRITY_NONE = 1, ESPALIER_INTEGRITY_HMAC_MD5, ESPALIER_INTEGRITY_HMAC_SHA1,
       ESPALIER_INTEGRITY_HMAC_SHA256, ESPALIER_INTEGRITY_HMAC_SHA384,
       ESPALIER_INTEGRITY_HMAC_SHA512 };
enum { ESPALIER_KERNEL = 1, ESPALIER_USERSPACE = 2 }; /* dataplane; below: bits */
enum { ESPALIER_OUTBOUND = 1, ESPALIER_INBOUND = 2 };
enum { ESPALIER_TUNNEL = 1, ESPALIER_TRANSPORT = 2 };
enum { ESPALIER_ENCAP_NONE = 1, ESPALIER_ENCAP_UDP = 2 };
enum { ESPALIER_IPV4 = 1, ESPALIER_IPV6 = 2 };
enum { ESPALIER_KEY_128 = 1, ESPALIER_KEY_192 = 2, ESPALIER_KEY_256 = 4,
       ESPALIER_KEY_ANY = 8 /* ciphers with one key length, and NULL */ };
#define ESPALIER_ICV(bytes) (1u << ((bytes) / 4u)) /* bit for an ICV of 8, 12, 16, 24 or 32 bytes */

typedef struct espalier_message { /* the host's buffer for one sentence, always NUL-terminated */
  char *text;
  uint64_t capacity;
} espalier_message;

typedef struct espalier_bytes { const uint8_t *data; uint64_t size; } espalier_bytes;

/* ---- What the host gives. Valid for the life of the backend. ------------------------------- */
enum { ESPALIER_LOG_DEBUG = 0, ESPALIER_LOG_INFO, ESPALIER_LOG_WARNING, ESPALIER_LOG_ERROR };
enum { ESPALIER_EVENT_DEVICE_ADDED = 1, ESPALIER_EVENT_DEVICE_LOST, ESPALIER_EVENT_CAPACITY_FREED };

typedef struct espalier_host {
  uint32_t struct_size;
  uint32_t abi_minor;
  void *context; /* passed back as the first argument below */
  void (*log)(void *context, int32_t level, const char *text);                     /* [any] */
  uint64_t (*monotonic_ns)(void *context);                                         /* [any] */
  void *(*secret_alloc)(void *context, uint64_t size); /* locked, undumpable; or NULL [control] */
  void (*secret_free)(void *context, void *memory, uint64_t size); /* zeroes [control] */
  void (*event)(void *context, int32_t event, uint64_t device);                    /* [any] */
  const void *(*extension)(void *context, const char *id); /* NULL if unknown [any] */
} espalier_host;

/* ---- What a backend says of its devices ---------------------------------------------------- */
enum { ESPALIER_DEVICE_ASYNC = 1 /* submit and poll instead of process */,
       ESPALIER_DEVICE_NEEDS_DMA = 2 /* packet memory must be attached first */ };

typedef struct espalier_device_info {
  uint32_t struct_size;
  uint32_t dataplane;    /* ESPALIER_KERNEL or ESPALIER_USERSPACE */
  uint64_t id;           /* stable while the backend is open; never reused after a loss */
  uint32_t flags;        /* ESPALIER_DEVICE_* */
  int32_t numa_node;     /* -1: none */
  char name[64];         /* short and stable: "cpu", "0000:3d:00.0", "eth0" */
  char description[128]; /* for people: "AES-NI, VAES, AVX-512" */
  char interface[16];    /* network interface of a kernel device, or "" */
} espalier_device_info;

typedef struct espalier_capability { /* one cipher and integrity; bit sets say which variants */
  uint32_t struct_size;
  uint16_t cipher;
  uint16_t integrity;         /* ESPALIER_INTEGRITY_NONE for AEADs */
  uint32_t key_bits;          /* ESPALIER_KEY_* */
  uint32_t icv_bytes;         /* ESPALIER_ICV() */
  uint32_t directions;
  uint32_t modes;
  uint32_t encapsulations;
  uint32_t families;          /* of the outer header */
  uint32_t esn;               /* 1: 32-bit numbers only, 2: extended only, 3: both */
  uint32_t max_replay_window; /* 0: no limit (the framework keeps the window in userspace) */
  uint32_t max_length;        /* longest ESP packet in bytes, 0: no limit */
  uint32_t score;             /* relative speed for this transform, 0 to 1000; 100: OpenSSL's */
} espalier_capability;

enum { ESPALIER_POOL_SAS = 1, ESPALIER_POOL_QUEUES = 2, ESPALIER_POOL_MBPS = 3 };
enum { ESPALIER_USE_LIVE = 1, ESPALIER_USE_COUNTED = 2, ESPALIER_USE_UNKNOWN = 3 };

typedef struct espalier_pool { /* a limit, shared by the directions that it names */
  uint32_t struct_size;
  uint32_t kind;       /* ESPALIER_POOL_* */
  uint32_t directions;
  uint32_t use;        /* LIVE: `used` was read off the device; else the framework counts */
  uint64_t capacity;   /* UINT64_MAX: unlimited */
  uint64_t used;
  char name[32];
} espalier_pool;

enum { ESPALIER_UP = 1, ESPALIER_DOWN = 2, ESPALIER_DEGRADED = 3, ESPALIER_GONE = 4 };

typedef struct espalier_health {
  uint32_t struct_size;
  uint32_t state;
  char reason[128];
} espalier_health;

/* ---- Userspace devices: espalier_backend.userspace ----------------------------------------- */

typedef struct espalier_session_params { /* keys belong to the host and are wiped after the call */
  uint32_t struct_size;
  uint16_t cipher;
  uint16_t integrity;
  uint32_t direction;
  uint32_t icv_bytes;
  uint32_t esn;                 /* 0 or 1: high sequence bits enter the ICV (RFC 4303 2.2.1) */
  espalier_bytes cipher_key;    /* without salt */
  espalier_bytes salt;          /* GCM, GMAC, CTR, ChaCha20: 4 bytes; else empty */
  espalier_bytes integrity_key; /* HMAC key, or empty */
} espalier_session_params;

enum { ESPALIER_OP_PENDING = 0xffff, ESPALIER_OP_DONE = 0, ESPALIER_OP_BAD_ICV = 1,
       ESPALIER_OP_FAILED = 2, ESPALIER_OP_LOST = 3 };

/* One packet: one cache line, frozen for an ABI major. The packet is contiguous: ESP header (SPI,
 * sequence), IV, payload with padding, ICV. The framework has written all but ciphertext and ICV.
 * Outbound: encrypt the payload, write the ICV. Inbound: verify the ICV, decrypt; after BAD_ICV
 * the buffer holds no plaintext. Bytes outside [esp, esp + icv_offset + ICV) stay untouched. */
typedef struct espalier_op {
  uint64_t session;    /* of session_open; its ops are on one queue at a time */
  uint8_t *esp;        /* first byte of the ESP header */
  uint64_t iova;       /* of esp, where the region was attached */
  uint8_t *dst;        /* same layout as at esp; NULL: in place */
  uint64_t dst_iova;
  uint32_t length;     /* bytes from esp to the end of the ICV */
  uint32_t icv_offset; /* from esp */
  uint32_t seq_hi;     /* high 32 bits of the sequence number, 0 without ESN */
  uint16_t status;     /* PENDING on entry; the device must set it */
  uint16_t flags;      /* 0 in this version */
  uint64_t cookie;     /* the host's; not to be changed */
} espalier_op;

typedef struct espalier_userspace {
  uint32_t struct_size;
  uint32_t reserved;
  espalier_status (*device_open)(void *backend, uint64_t id, void **device,
                                 espalier_message *message);                    /* [control] */
  void (*device_close)(void *device); /* after its queues and sessions; waits for DMA [control] */
  /* Attach packet memory; *iova is that of its first byte. NULL if the device copies ("bounce"). */
  espalier_status (*mem_attach)(void *device, void *base, uint64_t size, uint64_t *iova,
                                espalier_message *message);                     /* [control] */
  void (*mem_detach)(void *device, void *base, uint64_t size);                  /* [control] */
  espalier_status (*session_open)(void *device, const espalier_session_params *params,
                                  uint64_t *session, espalier_message *message); /* [control] */
  void (*session_close)(void *device, uint64_t session); /* no op in flight; wipes keys [control] */
  espalier_status (*queue_open)(void *device, void **queue, espalier_message *message); /* [control] */
  void (*queue_close)(void *queue); /* [control], once its thread has stopped using it */
  /* Synchronous devices: complete all n ops. OK: every op has its status. LOST: none will. [queue] */
  espalier_status (*process)(void *queue, espalier_op *const *ops, uint32_t n);
  /* Devices with ESPALIER_DEVICE_ASYNC. submit accepts the first k of n, which the device then
   * owns; 0 is a full queue. poll returns up to n accepted ops, each exactly once, in any order. */
  uint32_t (*submit)(void *queue, espalier_op *const *ops, uint32_t n);         /* [queue] */
  uint32_t (*poll)(void *queue, espalier_op **ops, uint32_t n);                 /* [queue] */
  /* Stop by deadline (monotonic ns): after OK the device touches no buffer of this queue. [queue] */
  espalier_status (*queue_quiesce)(void *queue, uint64_t deadline_ns);
} espalier_userspace;

/* ---- Kernel devices: espalier_backend.kernel ----------------------------------------------- */

enum { ESPALIER_OFFLOAD_NONE = 0, ESPALIER_OFFLOAD_CRYPTO = 1, ESPALIER_OFFLOAD_PACKET = 2 };

typedef struct espalier_sa { /* an SA without its keys */
  uint32_t struct_size;
  uint16_t cipher;
  uint16_t integrity;
  uint32_t key_bits, icv_bytes, direction, mode, encapsulation, family, esn, replay_window;
} espalier_sa;

typedef struct espalier_recipe { /* what the framework shall ask the kernel for */
  uint32_t struct_size;
  uint32_t offload;   /* ESPALIER_OFFLOAD_* on `interface`, or NONE and `driver` to bind */
  char interface[16];
  char driver[128];   /* crypto driver name as in /proc/crypto */
  char module[64];    /* module that provides it, or "" */
} espalier_recipe;

typedef struct espalier_kernel {
  uint32_t struct_size;
  uint32_t reserved;
  espalier_status (*recipe)(void *backend, uint64_t device, const espalier_sa *sa,
                            espalier_recipe *recipe, espalier_message *message); /* pure [any] */
} espalier_kernel;

/* ---- The backend, and the one exported symbol ---------------------------------------------- */

typedef struct espalier_backend {
  uint32_t struct_size;
  uint32_t reserved;
  void *self; /* first argument of the functions below, and `backend` above */
  void (*close)(void *self);                                                    /* [control] */
  /* Lists fill at most `capacity` entries and set *count to the number that exists. */
  espalier_status (*enumerate)(void *self, espalier_device_info *devices, uint32_t capacity,
                               uint32_t *count, espalier_message *message); /* passive [control] */
  espalier_status (*caps)(void *self, uint64_t device, espalier_capability *caps,
                          uint32_t capacity, uint32_t *count, espalier_message *message);
  espalier_status (*pools)(void *self, uint64_t device, espalier_pool *pools, uint32_t capacity,
                           uint32_t *count, espalier_message *message);         /* [control] */
  espalier_status (*health)(void *self, uint64_t device, espalier_health *health); /* [any] */
  const espalier_userspace *userspace;                        /* NULL: no such devices */
  const espalier_kernel *kernel;                              /* NULL: no such devices */
  const void *(*extension)(void *self, const char *id);       /* NULL if unknown [any] */
} espalier_backend;

/* `options` is the backend's table of the configuration as JSON text ("{}" if there is none).
 * Runs in a child process first (the probe), then in the process that uses it. [control] */
typedef struct espalier_plugin_entry {
  uint32_t magic;
  uint16_t abi_major;
  uint16_t abi_minor;
  espalier_status (*negotiate)(const espalier_host *host, const char *options,
                               const espalier_backend **backend, espalier_message *message);
} espalier_plugin_entry;

#ifdef __cplusplus
}
#endif
#endif
