// SPDX-License-Identifier: Apache-2.0
//
// What a fake device, and the plugin `fault`, can be told to do wrong.
#pragma once

namespace espalier::mock {

// Calls that can be made to refuse.
enum class Call { device_open, session_open, queue_open, quiesce };

// What a device can do wrong with one op.
enum class Fault {
  none,
  fail,               // status FAILED, no work done
  bad_icv,            // status BAD_ICV, no work done
  leave_pending,      // handed back without a status
  done_without_work,  // status DONE, no work done
  corrupt,            // status DONE, with a bit of what was written flipped
  drop,               // never handed back; by synchronous devices without a status
  twice,              // handed back by two polls; asynchronous only
  foreign,            // beside it an op that nobody submitted; asynchronous only
  lose,               // status LOST, no work done
  change_cookie,      // the work is done, but its cookie is another one
};

enum class Order { fifo, reverse, random };

}  // namespace espalier::mock
