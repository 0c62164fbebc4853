"""What is asked of a pipeline from outside: typed functions under thin commands.

| of | begin to read in | and then |
|---|---|---|
| what readers see, over all runs | `lineage` | `ledger_search`, `spans`, `live_partition` |
| one live generation after another | `generation_change` | `offsets_*` (reset), `replay_promote` |
| `prove` | `prove` | `proof_partition`, `proof_entries`, `proof_files`, `proof_rows`, `proof_kafka` |
| `status`, `topics`, `produce`, `post` | the module of that name | |
| `init`, `dry-run` | `draft`, `dry_run` | `draft_*`, `dry_rows`, `samples` |
| `validate`, `explain` | `validation`, `explain` | `validation_cluster`, `forecast`, `explain_*`, `configuration` |
| `replay`, `backfill` | `replay_plan`, `replay_run`, `backfill` | `bounds`, `bounded_run`, `lake_cluster` |
| `replay diff` | `replay_diff` | `diff_*` |
| `dead` | `dead` | `dead_*`; `redrive` and `redrive_*` |
| `quality` | `quality` | `quality_*` |
| `complete` | `complete` | `complete_*`, `hours` |
| what a scheduler calls (`dags/`) | `task_types` | `task_*`, one for each DAG; `task_runs` |

Modules that share a first word belong together; `*_types` are what such a group gives back.
"""
