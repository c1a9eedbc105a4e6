/* SPDX-License-Identifier: Apache-2.0
 *
 * Synchronous: process(). Asynchronous: a worker thread a queue takes what was submitted.
 */
#include "zoo.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static espalier_op ghost = {.status = ESPALIER_OP_DONE};

/* By what this queue has kept of the session in that slot, be it another's by now. */
static uint16_t transform_with_kept(zoo_queue *q, const espalier_op *op) {
  zoo_session *s = (zoo_session *)(uintptr_t)op->session;
  EVP_CIPHER_CTX *const own = s->cipher, **kept = &q->backend->engines[q->engine][s->slot];
  if (*kept == NULL) {
    *kept = EVP_CIPHER_CTX_new();
    EVP_CIPHER_CTX_copy(*kept, own);
  }
  s->cipher = *kept;
  const uint16_t status = zoo_transform(q->backend, op);
  s->cipher = own;
  return status;
}

static void complete(zoo_queue *q, espalier_op *op, uint32_t index) {
  const uint16_t status = SINS(keeps_old_keys_on_a_queue) ? transform_with_kept(q, op)
                                                          : zoo_transform(q->backend, op);
  if (SINS(leaves_pending) && index % 8 == 7) return;
  op->status = SINS(invents_a_status) ? 77 : status;
}

/* True once the device is gone. */
static bool one_packet_less(zoo_queue *q) {
  zoo_backend *b = q->backend;
  if (zoo_gone(b, q->generation)) {
    if (SINS(dies_when_gone)) abort();
    return true;
  }
  if (atomic_load(&b->packets_left) > 0) atomic_fetch_sub(&b->packets_left, 1);
  return false;
}

espalier_status zoo_process(void *queue, espalier_op *const *ops, uint32_t n) {
  zoo_queue *q = queue;
  uintptr_t nobody = 0;
  if (n == 0 && SINS(refuses_no_packets)) return ESPALIER_LOST;
  if (SINS(counts_without_a_lock)) q->backend->packets_in_all += n;
  const bool mine = atomic_compare_exchange_strong(&q->backend->busy_queue, &nobody, (uintptr_t)q) ||
                    nobody == (uintptr_t)q;
  if (SINS(swaps_cookies) && n > 1) {
    const uint64_t cookie = ops[0]->cookie;
    ops[0]->cookie = ops[n - 1]->cookie;
    ops[n - 1]->cookie = cookie;
  }
  for (uint32_t i = 0; i < n; ++i) {
    if (one_packet_less(q)) {
      if (!SINS(says_ok_when_gone) || i == 0) return ESPALIER_LOST;
      for (; i < n; ++i) ops[i]->status = ESPALIER_OP_DONE;
      return ESPALIER_OK;
    }
    const uint64_t own = ops[i]->session;
    if (SINS(mixes_sessions) && i == 41) ops[i]->session = ops[0]->session;
    const bool turned = ((zoo_session *)(uintptr_t)own)->inbound !=
                        ((zoo_session *)(uintptr_t)ops[0]->session)->inbound;
    if ((SINS(goes_by_the_first_direction) && turned) || (SINS(forgets_after_256) && i >= 256) || (SINS(one_queue_at_a_time) && !mine))
      ops[i]->status = ESPALIER_OP_FAILED;
    else if (SINS(claims_after_256) && i >= 256)
      ops[i]->status = ESPALIER_OP_DONE;
    else
      complete(q, ops[i], i);
    if (SINS(changes_the_op)) ops[i]->seq_hi ^= 1, ops[i]->icv_offset = 0, ops[i]->iova = 1;
    ops[i]->session = own;
  }
#if defined(__x86_64__)
  if (SINS(sets_the_direction_flag)) __asm__ volatile("std" ::: "cc");
#endif
  return ESPALIER_OK;
}

/* With the lock held, as below. */
static void write_after_giving_back(zoo_queue *q, espalier_op *op) {
  op->status = ESPALIER_OP_LOST;
  q->done[q->done_count++] = op;
  ++q->working;
  pthread_mutex_unlock(&q->lock);
  usleep(20000);
  op->esp[20] ^= 1;
  pthread_mutex_lock(&q->lock);
  --q->working;
  pthread_cond_broadcast(&q->wake);
}

/* Long after the queue was quiesced, if it is still there. */
static void write_late(zoo_queue *q) {
  for (int i = 0; i < 30 && !q->stop; ++i) {
    pthread_mutex_unlock(&q->lock);
    usleep(10000);
    pthread_mutex_lock(&q->lock);
  }
  if (!q->stop) q->late->esp[20] ^= 1;
  q->late = NULL;
}

/* With the lock held: takes one op, transforms it without the lock, and puts it among the done. */
static void work_on_one(zoo_queue *q) {
  espalier_op *op = q->todo[0];
  const uint8_t bounce = q->bounce_of[0];
  for (unsigned i = 1; i < q->todo_count; ++i) {
    q->todo[i - 1] = q->todo[i];
    q->bounce_of[i - 1] = q->bounce_of[i];
  }
  if (SINS(bounces_in_256_buffers) && op->length <= kBounce)
    memcpy(op->esp, q->bounces[bounce], op->length);
  --q->todo_count;
  ++q->working;
  q->depth = q->todo_count + q->done_count;
  q->polled = q->polled && q->todo_count > 0;
  pthread_mutex_unlock(&q->lock);
  if (SINS(quiesces_in_words)) usleep(500);
  const bool lost = one_packet_less(q);
  const bool deep = q->depth > 300; /* as it was when this op was taken */
  if (SINS(writes_when_gone) && lost) {
    usleep(20000);
    op->esp[20] ^= 1;
  }
  if (SINS(claims_when_deep) && deep)
    op->status = ESPALIER_OP_DONE;
  else if (!lost)
    complete(q, op, 0);
  pthread_mutex_lock(&q->lock);
  --q->working;
  pthread_cond_broadcast(&q->wake);
  if (SINS(twice_when_gone) && lost && q->last != NULL) q->done[q->done_count++] = q->last, q->last = NULL;
  if (SINS(writes_what_it_gave_back) && lost) write_after_giving_back(q, op);
  if (SINS(claims_when_gone) && lost) op->status = ESPALIER_OP_DONE;
  if (lost && !SINS(claims_when_gone)) return;
  q->done[q->done_count++] = q->last = op;
  if (SINS(completes_twice) && q->done_count == 7) q->done[q->done_count++] = op;
  if (SINS(completes_foreign) && q->done_count == 7) q->done[q->done_count++] = &ghost;
}

static bool may_work(const zoo_queue *q) {
  /* When the device goes away there is something in flight. */
  if (atomic_load(&q->backend->packets_left) == 1 && q->todo_count == 1) return q->stop;
  if (SINS(bounces_in_256_buffers) && !q->polled) return q->stop && q->todo_count > 0;
  if (SINS(waits_for_company)) return q->todo_count > 1 || (q->stop && q->todo_count > 0);
  return q->todo_count > 0;
}

static void *work(void *queue) {
  zoo_queue *q = queue;
  pthread_mutex_lock(&q->lock);
  for (;;) {
    while (!may_work(q) && !q->stop && q->late == NULL) pthread_cond_wait(&q->wake, &q->lock);
    if (q->late != NULL) write_late(q);
    if (!may_work(q) && !q->stop) continue;
    if (!may_work(q)) break;
    work_on_one(q);
  }
  pthread_mutex_unlock(&q->lock);
  return NULL;
}

uint32_t zoo_submit(void *queue, espalier_op *const *ops, uint32_t n) {
  zoo_queue *q = queue;
  uint32_t taken = 0;
  pthread_mutex_lock(&q->lock);
  q->used = q->used || n > 0;
  while (taken < n && (!zoo_gone(q->backend, q->generation) || SINS(writes_when_gone)) && q->late == NULL &&
         q->todo_count + q->working + q->done_count < kDepth - 2 &&
         !(SINS(stuck_when_full) && q->was_full)) {
    if (SINS(bounces_in_256_buffers) && ops[taken]->length <= kBounce)
      memcpy(q->bounces[q->next_bounce], ops[taken]->esp, ops[taken]->length);
    q->bounce_of[q->todo_count] = q->next_bounce++;
    q->todo[q->todo_count++] = ops[taken++];
  }
  if (taken < n) {
    q->was_full = true;
    if (SINS(touches_the_rest)) ops[taken]->status = ESPALIER_OP_FAILED;
    unsigned *const some = q->todo_count > 0 ? &q->todo_count : &q->done_count;
    if (SINS(loses_when_full) && *some > 0) --*some;
  }
  if (SINS(drops_when_back) && atomic_load(&q->backend->generation) > 0) q->todo_count = 0;
  if (SINS(claims_more) && taken > 0 && taken == n && q->todo_count > 0) --q->todo_count;
  pthread_cond_broadcast(&q->wake);
  pthread_mutex_unlock(&q->lock);
  return taken;
}

uint32_t zoo_poll(void *queue, espalier_op **ops, uint32_t n) {
  zoo_queue *q = queue;
  uint32_t given = 0;
  pthread_mutex_lock(&q->lock);
  q->polled = q->polled || q->todo_count > 0;
  pthread_cond_broadcast(&q->wake);
  if (SINS(ghost_completion) && !q->used && n > 0) ops[given++] = &ghost;
  while ((given < n || SINS(polls_without_end)) && q->done_count > 0) ops[given++] = q->done[--q->done_count];
  pthread_mutex_unlock(&q->lock);
  return given;
}

/* What has not been begun is dropped; what is being worked on is waited for. */
espalier_status zoo_quiesce(void *queue, uint64_t deadline_ns) {
  zoo_queue *q = queue;
  (void)deadline_ns;
  if (SINS(quiesces_in_words) || (SINS(writes_when_gone) && zoo_gone(q->backend, q->generation)))
    return ESPALIER_OK;
  if (SINS(quiesces_late)) usleep(4000000);
  if (SINS(takes_its_time)) usleep(800000);
  pthread_mutex_lock(&q->lock);
  if (SINS(writes_late) && atomic_load(&q->backend->packets_left) < 0 && !q->backend->comes_back)
    q->late = q->todo_count > 0 ? q->todo[0] : q->last;
  pthread_cond_broadcast(&q->wake);
  q->todo_count = 0;
  while (q->working > 0) pthread_cond_wait(&q->wake, &q->lock);
  q->done_count = 0;
  pthread_mutex_unlock(&q->lock);
  return ESPALIER_OK;
}

espalier_status zoo_queue_open(void *device, void **queue, espalier_message *message) {
  zoo_backend *b = ((zoo_device *)device)->backend;
  if (atomic_load(&b->queues) >= (SINS(fewer_queues) ? 3 : kQueues))
    return zoo_say(message, ESPALIER_CAPACITY, "all queues are taken: close one");
  zoo_queue *q = calloc(1, sizeof *q);
  if (q == NULL) return zoo_say(message, ESPALIER_CAPACITY, "no memory for a queue");
  q->backend = b;
  q->generation = ((zoo_device *)device)->generation;
  while ((atomic_load(&b->engines_used) >> q->engine & 1) != 0) ++q->engine;
  atomic_fetch_or(&b->engines_used, 1U << q->engine);
  if (SINS(bounces_in_256_buffers)) q->bounces = calloc(256, sizeof *q->bounces);
  pthread_mutex_init(&q->lock, NULL);
  pthread_cond_init(&q->wake, NULL);
  if (ZOO_ASYNC && pthread_create(&q->worker, NULL, work, q) != 0) {
    free(q);
    return zoo_say(message, ESPALIER_TRANSIENT, "no thread for a queue");
  }
  atomic_fetch_add(&b->queues, 1);
  *queue = q;
  return ESPALIER_OK;
}

void zoo_queue_close(void *queue) {
  zoo_queue *q = queue;
  if (ZOO_ASYNC) {
    pthread_mutex_lock(&q->lock);
    q->stop = true;
    pthread_cond_broadcast(&q->wake);
    pthread_mutex_unlock(&q->lock);
    pthread_join(q->worker, NULL);
  }
  uintptr_t mine = (uintptr_t)q;
  atomic_compare_exchange_strong(&q->backend->busy_queue, &mine, 0);
  atomic_fetch_sub(&q->backend->queues, 1);
  atomic_fetch_and(&q->backend->engines_used, ~(1U << q->engine));
  free(q->bounces);
  free(q);
}
