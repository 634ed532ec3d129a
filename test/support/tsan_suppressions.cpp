// SPDX-License-Identifier: BSL-1.0

// In an exploration, logical threads are fibers of one thread. The standard's stop callback then takes the thread that
// requests a stop for the one that ends the callback, and leaves out the synchronisation that it would need between two.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() { return "race:std::stop_token::_Stop_state_t\nrace:_M_request_stop\n"; }
