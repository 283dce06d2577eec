# Runs killed at random moments end as runs in one go do.
find_package(Python3 COMPONENTS Interpreter)
if(Python3_FOUND)
  set(shared "$ENV{MOE_SHARED_DATA}")
  if(NOT shared)
    set(shared "${PROJECT_SOURCE_DIR}/../shared/data")
  endif()
  add_test(NAME eval.kill_resume
    COMMAND Python3::Interpreter "${CMAKE_CURRENT_LIST_DIR}/kill_resume.py" "$<TARGET_FILE:moe-eval>"
            "${shared}/models/stories260K" "${shared}" --kills 6 --limit 30)
  set_tests_properties(eval.kill_resume PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600)
  add_test(NAME eval.sweep
    COMMAND Python3::Interpreter "${CMAKE_CURRENT_LIST_DIR}/sweep.py" "$<TARGET_FILE:moe-eval>" "$<TARGET_FILE:moe-convert>"
            "${shared}/models/stories260K/hf" "${shared}")
  set_tests_properties(eval.sweep PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600)
  add_test(NAME eval.cli COMMAND Python3::Interpreter "${CMAKE_CURRENT_LIST_DIR}/cli.py" "$<TARGET_FILE:moe-eval>")
  set_tests_properties(eval.cli PROPERTIES TIMEOUT 300)
endif()
