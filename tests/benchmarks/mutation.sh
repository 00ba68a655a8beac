#!/bin/sh
# Mutation testing: which changes to the modules that decide does no test notice?
#
#   pip install mutmut==3.8.1
#   sh tests/benchmarks/mutation.sh [corpus] [artifacts] [text] [detector]
#
# Each module is changed in a copy; the repository is left alone. What survived is listed in COPY/survived.txt and shown
# by `cd COPY && mutmut show NAME`. Tests of time, memory and random texts are left out: they are slow, or differ by run.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
for module in ${*:-corpus artifacts text detector}; do
  case $module in
    corpus) tests="test_corpus test_limits" ;;
    artifacts) tests="test_artifacts" ;;
    text) tests="test_text test_artifacts test_encoding" ;;
    *) tests="test_detector test_encoding test_evasion test_categories" ;;
  esac
  copy=${TMPDIR:-/tmp}/mtdetect-mutants-$module
  rm -rf "$copy" && mkdir "$copy"
  (cd "$root" && git ls-files -z | xargs -0 cp --parents -t "$copy")
  cd "$copy"
  cat >>pyproject.toml <<END

[tool.mutmut]
source_paths = ["mtdetect"]
only_mutate = ["mtdetect/$module.py"]
also_copy = ["docs", "models", "notebooks"]
pytest_add_cli_args_test_selection = [$(printf '"tests/%s.py", ' $tests)]
pytest_add_cli_args = ["-p", "no:anyio", "-p", "no:nbmake", "-o", "addopts=-q", "-k", "\
not linear and not cheap and not heavy and not speed and not memory and not bomb and not precision \
and not takes_no_longer and not offsets_hold and not offsets_and and not lossless and not shifts_the_spans \
and not always_separates and not as_single_articles and not are_all_kept and not bytes_raise and not every_line \
and not filter_stops and not score_stops and not too_many_tags and not test_options and not test_info"]
END
  mutmut run --max-children 1 >mutmut.log 2>&1 || { tail mutmut.log; exit 1; }
  mutmut results >survived.txt
  echo "$copy" && mutmut results --all true | sed "s/.*: //" | sort | uniq -c
done
