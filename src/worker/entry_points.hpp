#pragma once
// What each kind of worker does, from its first line to its last. The extern "C" entry points in
// src/extension.cpp call these inside the guard.

namespace pgrepl::worker {

void launcher_main();
void probe_main();
void source_worker_main();
void copy_worker_main();
void job_worker_main();
void index_worker_main();

}  // namespace pgrepl::worker
