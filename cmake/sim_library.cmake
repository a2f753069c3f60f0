# A shared library of the simulated card, in build/sim/: it exports what EXPORTS (a version script)
# names, and has everything else static and hidden, since it lives in one process with programs that
# link the same libraries.
#
#   ax_sim_library(NAME SOURCES file... EXPORTS map [LIBS library...])
#
# A library that needs another of them finds it beside itself.
function(ax_sim_library name)
  cmake_parse_arguments(SIM "" "EXPORTS" "SOURCES;LIBS" ${ARGN})
  add_library(${name} SHARED ${SIM_SOURCES})
  target_link_libraries(${name} PRIVATE ax_options abi ${SIM_LIBS})
  # nodelete: threads and thread-local contexts outlive a dlclose.
  target_link_options(${name} PRIVATE -Wl,--version-script,${SIM_EXPORTS} -Wl,--exclude-libs,ALL
                      -Wl,-z,nodelete)
  if(NOT AXOLLAMA_SANITIZE)
    target_link_options(${name} PRIVATE -Wl,--no-undefined)
  endif()
  set_target_properties(${name} PROPERTIES LINK_DEPENDS ${SIM_EXPORTS}
                        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/sim
                        BUILD_WITH_INSTALL_RPATH TRUE INSTALL_RPATH "$ORIGIN")
endfunction()
