# A room is one folder, one purpose, one static library. It may include only the rooms named after
# DEPS: they are linked PRIVATE-ly by name, and scripts/check_rooms.py holds the include graph
# against the same table.
#
#   ax_room(NAME FOLDER [DEPS room...] [LIBS library...])
#
# Every FOLDER/*.cc is part of the library, except *_test.cc, which make FOLDER's test program
# `<name>_test` (GoogleTest), registered with ctest one test at a time.
function(ax_room name)
  cmake_parse_arguments(ROOM "" "FOLDER" "DEPS;LIBS;TEST_DEPS;TEST_LIBS" ${ARGN})
  if(NOT ROOM_FOLDER)
    set(ROOM_FOLDER ${CMAKE_CURRENT_SOURCE_DIR})
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${ROOM_FOLDER}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC ax_options ${ROOM_LIBS} PRIVATE ${ROOM_DEPS})
  if(tests AND AXOLLAMA_TESTS)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE ${name} ${ROOM_DEPS} ${ROOM_TEST_DEPS}
                          ${ROOM_TEST_LIBS} GTest::gtest GTest::gmock GTest::gtest_main)
    gtest_discover_tests(${name}_test TEST_PREFIX ${name}. DISCOVERY_MODE PRE_TEST
                         PROPERTIES TIMEOUT 240)
  endif()
endfunction()

# How a test starts the program `target`: its file or, built for another machine, a script that runs
# it in the emulator (as the same process, so that it can be killed).
function(ax_runnable out target)
  set(${out} $<TARGET_FILE:${target}> PARENT_SCOPE)
  if(CMAKE_CROSSCOMPILING_EMULATOR)
    list(JOIN CMAKE_CROSSCOMPILING_EMULATOR " " emulator)
    set(script ${CMAKE_CURRENT_BINARY_DIR}/${target}.sh)
    file(GENERATE OUTPUT ${script}
         CONTENT "#!/bin/sh\nexec ${emulator} $<TARGET_FILE:${target}> \"$@\"\n"
         FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
    set(${out} ${script} PARENT_SCOPE)
  endif()
endfunction()
