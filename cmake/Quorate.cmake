# How a folder of Quorate is built. One static library a folder, explicit file lists:
#
#   # base/http/CMakeLists.txt
#   q_library(base_http
#       SOURCES h1.c headers.c sse.c
#       LINKS base q::nghttp2 q::llhttp)
#
#   # node/CMakeLists.txt
#   q_executable(quorated SOURCES main.c config.c LINKS node_req node_api)
#
#   # tests/unit/http/CMakeLists.txt: a cmocka program, run by ctest as `http_sse`
#   q_test(http_sse SOURCES test_sse.c LINKS base_http)
#
#   # tests/fuzz/CMakeLists.txt or a folder below: LLVMFuzzerTestOneInput() in fuzz_sse.c.
#   # Its corpus is tests/fuzz/corpus/sse/, and every preset replays it as ctest `fuzz_sse`.
#   q_fuzz(sse SOURCES fuzz_sse.c LINKS base_http)
#
# A library's LINKS are what the layer table (tests/tidy/layers.txt) allows. Modules land one by one:
# what links to a library that is not there yet is left out with a notice, unless Q_STRICT is on,
# as it is in script/test, where it is an error.

# Warnings, sanitizers and hardening for our own code, by Q_MODE.
add_library(q_options INTERFACE)
target_compile_definitions(q_options INTERFACE _GNU_SOURCE)
target_include_directories(q_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(
    q_options
    INTERFACE -Wall
              -Wextra
              -Wshadow
              -Wconversion
              -Wstrict-prototypes
              -Wmissing-prototypes
              -Wswitch-enum
              -Wvla
              -Wundef
              -Wformat=2
              -fno-omit-frame-pointer)

set(Q_TEST_ENVIRONMENT "")
if(Q_MODE STREQUAL "dev")
    set(Q_FLAGS -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all)
    set(Q_LINK_FLAGS -fsanitize=address,undefined)
elseif(Q_MODE STREQUAL "tsan")
    set(Q_FLAGS -O1 -g -fsanitize=thread)
    set(Q_LINK_FLAGS -fsanitize=thread)
elseif(Q_MODE STREQUAL "fuzz")
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "the fuzz preset needs clang; run script/setup test")
    endif()
    set(Q_FLAGS -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
    set(Q_LINK_FLAGS -fsanitize=address,undefined)
elseif(Q_MODE STREQUAL "release")
    set(Q_FLAGS -O2 -g -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong
                -fstack-clash-protection)
    set(Q_LINK_FLAGS -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
        list(APPEND Q_FLAGS -fcf-protection)
    endif()
else()
    message(FATAL_ERROR "Q_MODE is '${Q_MODE}'; it must be dev, tsan, release or fuzz")
endif()
# A newer or different compiler may know more warnings: only the usual one makes them errors.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    list(APPEND Q_FLAGS -Werror)
    if(NOT Q_MODE STREQUAL "release")
        list(APPEND Q_FLAGS -Wno-maybe-uninitialized) # sanitizers make it cry wolf
    endif()
endif()
target_compile_options(q_options INTERFACE ${Q_FLAGS})
target_link_options(q_options INTERFACE ${Q_LINK_FLAGS})
if(Q_MODE MATCHES "dev|fuzz")
    list(APPEND Q_TEST_ENVIRONMENT
         "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:abort_on_error=1"
         "UBSAN_OPTIONS=print_stacktrace=1" "LSAN_OPTIONS=print_suppressions=0")
elseif(Q_MODE STREQUAL "tsan")
    list(APPEND Q_TEST_ENVIRONMENT "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1")
endif()

# Sets @ret_ok to whether every target among the remaining arguments exists.
function(q_links_exist name ret_ok)
    foreach(link IN LISTS ARGN)
        if(NOT TARGET ${link} AND NOT link MATCHES "^-")
            if(Q_STRICT)
                message(FATAL_ERROR "${name} links to '${link}', which does not exist")
            endif()
            message(NOTICE "-- left out: ${name}, which links to '${link}'; that does not exist yet")
            set(${ret_ok} FALSE PARENT_SCOPE)
            return()
        endif()
    endforeach()
    set(${ret_ok} TRUE PARENT_SCOPE)
endfunction()

# q_library(NAME SOURCES file... [LINKS target...])
function(q_library name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINKS")
    add_library(${name} STATIC ${arg_SOURCES})
    target_link_libraries(${name} PUBLIC q_options ${arg_LINKS})
endfunction()

# q_executable(NAME SOURCES file... [LINKS target...]): build/<preset>/bin/NAME, and for the release
# a link to it in build/bin/.
function(q_executable name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINKS")
    q_links_exist(${name} ok ${arg_LINKS})
    if(NOT ok)
        return()
    endif()
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE q_options ${arg_LINKS})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
    if(Q_MODE STREQUAL "release")
        set(bin ${PROJECT_SOURCE_DIR}/build/bin)
        file(MAKE_DIRECTORY ${bin})
        file(RELATIVE_PATH target ${bin} ${PROJECT_BINARY_DIR}/bin/${name})
        add_custom_command(
            TARGET ${name} POST_BUILD
            COMMAND ${CMAKE_COMMAND} -E create_symlink ${target} ${bin}/${name}
            VERBATIM)
    endif()
endfunction()

# q_test(NAME SOURCES file... [LINKS target...] [TIMEOUT seconds])
function(q_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;LINKS")
    q_links_exist(test_${name} ok ${arg_LINKS})
    if(NOT ok)
        return()
    endif()
    add_executable(test_${name} ${arg_SOURCES})
    target_link_libraries(test_${name} PRIVATE q_options ${arg_LINKS} q::cmocka)
    set_target_properties(test_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                                                  ${PROJECT_BINARY_DIR}/tests)
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 120)
    endif()
    add_test(NAME ${name} COMMAND test_${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS unit ENVIRONMENT
                                            "${Q_TEST_ENVIRONMENT}")
endfunction()

# q_fuzz(NAME SOURCES file... [LINKS target...])
function(q_fuzz name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINKS")
    q_links_exist(fuzz_${name} ok ${arg_LINKS})
    if(NOT ok)
        return()
    endif()
    set(corpus ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name})
    if(Q_STRICT AND NOT EXISTS ${corpus})
        message(FATAL_ERROR "fuzz_${name} has no corpus: commit inputs in tests/fuzz/corpus/${name}/")
    endif()
    add_executable(fuzz_${name} ${arg_SOURCES})
    target_link_libraries(fuzz_${name} PRIVATE q_options ${arg_LINKS})
    set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                                                  ${PROJECT_BINARY_DIR}/fuzz)
    # The fuzzing entry point has no header of its own.
    set_source_files_properties(${arg_SOURCES} PROPERTIES COMPILE_OPTIONS -Wno-missing-prototypes)
    if(Q_MODE STREQUAL "fuzz")
        # New inputs are found in build/, and committed by hand.
        set(found ${PROJECT_BINARY_DIR}/corpus/${name})
        file(MAKE_DIRECTORY ${found})
        target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
        add_test(NAME fuzz_${name} COMMAND fuzz_${name} -seed=1 -runs=${Q_FUZZ_RUNS}
                                           -rss_limit_mb=2048 ${found} ${corpus})
    else()
        target_sources(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/fuzz/driver.c)
        add_test(NAME fuzz_${name} COMMAND fuzz_${name} ${corpus})
    endif()
    set_tests_properties(fuzz_${name} PROPERTIES TIMEOUT 300 LABELS fuzz ENVIRONMENT
                                                 "${Q_TEST_ENVIRONMENT}")
endfunction()
