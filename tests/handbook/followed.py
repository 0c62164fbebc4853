"""Which test runs the command blocks of which page, from top to bottom."""

FOLLOWED = {
    "README.md": "tests/demo/test_readme.py",
    "docs/airflow.md": "tests/airflow/test_page_by_rest.py",
    "docs/first-pipeline.md": "tests/operations/test_first_pipeline_page.py",
    "docs/http.md": "tests/http/test_documentation.py",
    "docs/logs.md": "tests/handbook/test_blocks.py",
    "docs/one-record.md": "tests/operations/test_one_record_page.py",
    "docs/operations/backfill.md": "tests/operations/test_backfill_page.py",
    "docs/operations/completeness.md": "tests/operations/test_completeness_page.py",
    "docs/operations/dead-letters.md": "tests/operations/test_dead_letters_page.py",
    "docs/operations/first-look.md": "tests/operations/test_first_look_page.py",
    "docs/operations/offsets.md": "tests/operations/test_offsets_page.py",
    "docs/operations/quality.md": "tests/quality/test_page.py",
    "docs/operations/recover.md": "tests/operations/test_recover_page.py",
    "docs/operations/replay-diff.md": "tests/operations/test_replay_diff_page.py",
    "docs/operations/replay.md": "tests/operations/test_replay_page.py",
    "docs/walkthrough.md": "tests/operations/test_walkthrough_page.py",
}
"""The test that runs each page's blocks, from top to bottom."""
