# Builds a Rust crate into a static library with cargo, in the build tree.
#
#   ax_rust_staticlib(NAME FOLDER)
#
# defines the imported library NAME. Any cargo from 1.87 on does: the PATH's first, else Debian's
# package cargo-web, which lies in /usr/bin also where an older one comes first on the PATH.
set(AXOLLAMA_RUST_MINIMUM 1.87)

function(ax_find_cargo)
  if(AXOLLAMA_CARGO)
    return()
  endif()
  find_program(AXOLLAMA_PATH_CARGO cargo)
  set(tried)
  foreach(cargo ${AXOLLAMA_PATH_CARGO} $ENV{CARGO_HOME}/bin/cargo $ENV{HOME}/.cargo/bin/cargo
                /usr/local/bin/cargo /usr/bin/cargo)
    if(NOT EXISTS ${cargo})
      continue()
    endif()
    execute_process(COMMAND ${cargo} --version OUTPUT_VARIABLE version ERROR_QUIET
                    RESULT_VARIABLE failed)
    if(NOT failed AND version MATCHES "^cargo ([0-9.]+)")
      if(CMAKE_MATCH_1 VERSION_GREATER_EQUAL AXOLLAMA_RUST_MINIMUM)
        set(AXOLLAMA_CARGO ${cargo} CACHE FILEPATH "cargo >= ${AXOLLAMA_RUST_MINIMUM}")
        message(STATUS "Rust: ${cargo} ${CMAKE_MATCH_1}")
        return()
      endif()
      list(APPEND tried "${cargo} is ${CMAKE_MATCH_1}")
    endif()
  endforeach()
  list(REMOVE_DUPLICATES tried)
  list(JOIN tried ", " tried)
  if(NOT tried)
    set(tried "no cargo was found")
  endif()
  message(FATAL_ERROR
          "The tokenizer needs Rust ${AXOLLAMA_RUST_MINIMUM} or newer to build (${tried}). "
          "On Debian 12 and 13: apt install rustc-web cargo-web.")
endfunction()

function(ax_rust_staticlib name folder)
  ax_find_cargo()
  # A cargo called by its path would still take the PATH's rustc, which may be an older one.
  cmake_path(GET AXOLLAMA_CARGO PARENT_PATH bin)
  set(environment CARGO_TERM_COLOR=never)
  if(EXISTS ${bin}/rustc)
    list(APPEND environment RUSTC=${bin}/rustc)
  endif()
  set(target_dir ${CMAKE_BINARY_DIR}/rust)
  set(options)
  set(output ${target_dir}/release/lib${name}.a)
  if(CMAKE_CROSSCOMPILING)
    set(triple ${CMAKE_SYSTEM_PROCESSOR}-unknown-linux-gnu)
    string(TOUPPER ${triple} variable)
    string(REPLACE "-" "_" variable ${variable})
    list(APPEND environment CARGO_TARGET_${variable}_LINKER=${CMAKE_C_COMPILER})
    # The target's standard library, where the sysroot and not the toolchain has it.
    if(EXISTS ${CMAKE_SYSROOT}/usr/lib/rustlib/${triple})
      list(APPEND environment CARGO_TARGET_${variable}_RUSTFLAGS=--sysroot=${CMAKE_SYSROOT}/usr)
    endif()
    set(options --target ${triple})
    set(output ${target_dir}/${triple}/release/lib${name}.a)
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/src/*.rs)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -E env ${environment} ${AXOLLAMA_CARGO} build --release --locked
            --quiet --manifest-path ${folder}/Cargo.toml --target-dir ${target_dir} ${options}
    # cargo leaves a library alone that its sources do not change; ninja compares times.
    COMMAND ${CMAKE_COMMAND} -E touch ${output}
    DEPENDS ${sources} ${folder}/Cargo.toml ${folder}/Cargo.lock
    COMMENT "Building ${name} (Rust; the first time takes one to three minutes)"
    VERBATIM)
  add_custom_target(${name}_cargo DEPENDS ${output})
  add_library(${name} STATIC IMPORTED GLOBAL)
  set_target_properties(${name} PROPERTIES IMPORTED_LOCATION ${output}
                        INTERFACE_INCLUDE_DIRECTORIES ${folder})
  target_link_libraries(${name} INTERFACE Threads::Threads ${CMAKE_DL_LIBS} m)
  add_dependencies(${name} ${name}_cargo)
endfunction()
