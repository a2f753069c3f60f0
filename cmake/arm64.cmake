# Cross-compiles for arm64 (scripts/arm64.sh): Debian's cross compiler, the libraries of a folder
# of unpacked arm64 packages, and qemu-user to run the tests.
#
#   cmake -DCMAKE_TOOLCHAIN_FILE=cmake/arm64.cmake -DAXOLLAMA_SYSROOT=FOLDER
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

# CMake's own compiler checks read this file again, without the command line.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES AXOLLAMA_SYSROOT)
set(CMAKE_SYSROOT ${AXOLLAMA_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

# The Rust of the sysroot's standard library.
set(AXOLLAMA_CARGO /usr/bin/cargo CACHE FILEPATH "cargo of Debian's cargo-web")
find_program(AXOLLAMA_QEMU NAMES qemu-aarch64-static qemu-aarch64 REQUIRED)
set(CMAKE_CROSSCOMPILING_EMULATOR ${AXOLLAMA_QEMU} -L ${AXOLLAMA_SYSROOT})
