/* What the MEX functions share beside their arguments: engine and models kept from call to call, progress, Ctrl-C,
 * errors. */
#ifndef TOMOCUT_MEX_SESSION_HPP
#define TOMOCUT_MEX_SESSION_HPP

#include "arguments.hpp" /* first: it loads the library */

#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <new>
#include <optional>

#ifdef HAVE_OCTAVE
#include <csignal>

#include <octave/quit.h>
#else
extern "C" bool utIsInterruptPending(void);
#endif

namespace mex {

/** Whether Ctrl-C was pressed; in Octave it throws what leads back to the prompt. */
inline bool interrupted() {
#ifdef HAVE_OCTAVE
    octave_quit();
    return false;
#else
    return utIsInterruptPending();
#endif
}

#ifdef HAVE_OCTAVE
/** While it lives, Ctrl-C also raises a request to stop: Octave only notes it, to act when it has the thread again. */
class Interrupt {
public:
    explicit Interrupt(const tomocut::Cancel &cancel) {
        request() = cancel.get();
        struct sigaction action = {};
        action.sa_sigaction = on_signal;
        action.sa_flags = SA_SIGINFO | SA_RESTART;
        sigaction(SIGINT, &action, &before());
        // Octave's main thread keeps it blocked.
        sigset_t unblocked;
        sigemptyset(&unblocked);
        sigaddset(&unblocked, SIGINT);
        pthread_sigmask(SIG_UNBLOCK, &unblocked, &mask_);
    }
    ~Interrupt() {
        pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
        sigaction(SIGINT, &before(), nullptr);
        request() = nullptr;
    }
    Interrupt(const Interrupt &) = delete;
    Interrupt &operator=(const Interrupt &) = delete;

private:
    static void on_signal(int number, siginfo_t *info, void *context) {
        tomocut_cancel_request(request());
        if ((before().sa_flags & SA_SIGINFO) != 0) {
            before().sa_sigaction(number, info, context);
        } else if (before().sa_handler != SIG_DFL && before().sa_handler != SIG_IGN) {
            before().sa_handler(number);
        }
    }

    static const tomocut_cancel *&request() {
        static const tomocut_cancel *cancel = nullptr;
        return cancel;
    }
    static struct sigaction &before() {
        static struct sigaction action;
        return action;
    }

    sigset_t mask_;
};
#endif

/** Shows how far a call is: 'print' (from two seconds on), 'waitbar' or 'none'; stops it on Ctrl-C. */
class Progress {
public:
    explicit Progress(const std::string &kind) : kind_(kind) {
        if (kind != "print" && kind != "waitbar" && kind != "none") {
            throw BadArgument("'progress' is " + kind + ", must be print, waitbar or none");
        }
    }
    Progress(const Progress &) = delete;
    Progress &operator=(const Progress &) = delete;

    ~Progress() {
        if (printed_) {
            mexPrintf("\n");
        }
        if (bar_ != nullptr) {
            mxDestroyArray(mexCallMATLABWithTrap(0, nullptr, 1, &bar_, "close"));
            mxDestroyArray(bar_);
        }
    }

    /** Makes a call report here, and stop on Ctrl-C. */
    template <class O>
    void follow(O &options) {
        options.progress = callback();
        options.cancel = cancel_.get();
    }

private:
    tomocut::ProgressCallback callback() {
        return [this](const tomocut_progress &progress) {
            if (interrupted()) {
                return false;
            }
            if (kind_ == "print" && std::chrono::steady_clock::now() - start_ > std::chrono::seconds(2)) {
                print(progress);
            } else if (kind_ == "waitbar") {
                draw(progress);
            }
            return true;
        };
    }

    void print(const tomocut_progress &progress) {
        const int percent = static_cast<int>(100.0 * progress.fraction);
        if (printed_ && percent == percent_) {
            return;
        }
        mexPrintf("\r%-16s %3d %%", progress.stage_name, percent);
#ifdef HAVE_OCTAVE
        mexEvalString("fflush(stdout);");
#else
        mexEvalString("drawnow;");
#endif
        printed_ = true;
        percent_ = percent;
    }

    void draw(const tomocut_progress &progress) {
        mxArray *arguments[2] = {mxCreateDoubleScalar(progress.fraction), bar_};
        mxArray *made = nullptr;
        const bool first = bar_ == nullptr;
        if (first) {
            arguments[1] = mxCreateString("tomocut");
        }
        mxArray *failure = mexCallMATLABWithTrap(first ? 1 : 0, first ? &made : nullptr, 2, arguments, "waitbar");
        mxDestroyArray(arguments[0]);
        if (first) {
            mxDestroyArray(arguments[1]);
            bar_ = made;
        }
        if (failure != nullptr) {  // no display, or the window was closed: the work goes on
            mxDestroyArray(failure);
            kind_ = first ? "print" : "none";
        }
    }

    tomocut::Cancel cancel_;
#ifdef HAVE_OCTAVE
    Interrupt interrupt_{cancel_};
#endif
    std::string kind_;
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    mxArray *bar_ = nullptr;
    bool printed_ = false;
    int percent_ = -1;
};

/** Where calls compute. */
struct Device {
    std::string name = "cpu";
    std::uint32_t threads = 0;
    bool operator!=(const Device &other) const { return name != other.name || threads != other.threads; }
};

/** Engine and models, kept from call to call until the MEX function is cleared. */
class Session {
public:
    static Session &on(const Device &device) {
        if (kept() == nullptr || kept()->device_ != device) {
            kept().reset();
            kept().reset(new Session(device));
            mexAtExit([] { kept().reset(); });
        }
        return *kept();
    }

    /** After a defect of the library its handles answer nothing any more. */
    static void forget() noexcept { kept().reset(); }

    tomocut::Engine &engine() noexcept { return engine_; }

    /** The model of a file; empty: the built-in one. */
    const tomocut::Model &model(const std::string &path, Progress &progress) {
        const auto found = models_.find(path);
        if (found != models_.end()) {
            return found->second;
        }
        models_.clear();
        tomocut::ModelOptions options;
        progress.follow(options);
        tomocut::Model model = path.empty() ? tomocut::Model(engine_, options) : tomocut::Model(engine_, path, options);
        return models_.emplace(path, std::move(model)).first->second;
    }

    /** The network of a file; empty: the built-in one. */
    const tomocut::Predictor &network(const std::string &path) {
        const auto found = networks_.find(path);
        if (found != networks_.end()) {
            return found->second;
        }
        networks_.clear();
        return networks_.emplace(path, path.empty() ? tomocut::Predictor(engine_) : tomocut::Predictor(engine_, path))
            .first->second;
    }

private:
    explicit Session(const Device &device) : device_(device), engine_(options(device)) {}

    static tomocut::EngineOptions options(const Device &device) {
        tomocut::EngineOptions options;
        options.device = device.name.c_str();
        options.n_threads = device.threads;
        options.log_level = TOMOCUT_LOG_WARNING;
        options.log = [](tomocut_log_level, const char *, const char *message) {
            mexWarnMsgIdAndTxt("tomocut:warning", "%s", message);
        };
        return options;
    }

    static std::unique_ptr<Session> &kept() {
        static std::unique_ptr<Session> session;
        return session;
    }

    Device device_;
    tomocut::Engine engine_;
    std::map<std::string, tomocut::Model> models_;
    std::map<std::string, tomocut::Predictor> networks_;
};

/** The options that all functions have. */
struct Common {
    explicit Common(Options &options) {
        options.text("device", device.name);
        options.count("threads", device.threads);
        options.text("model", model);
        options.text("progress", progress);
    }
    Device device;
    std::string model, progress = "print";
};

/** The tomogram of the first argument: a file's name, or an (x, y, z) array. */
inline tomocut::Tomogram tomogram(Session &session, const mxArray *argument, double voxel_nm) {
    if (mxIsChar(argument)) {
        return tomocut::Tomogram(session.engine(), text_of(argument, "the file's name"));
    }
    return tomocut::Tomogram(session.engine(), volume(argument), tomocut::Geometry(10.0 * voxel_nm));
}

/**
 * Runs a MEX function. A failure becomes an error of MATLAB's, once all that the function made is freed: tomocut:format
 * and so on, by the name of its status.
 */
template <class F>
void run(F body) {
    static char identifier[64], text[4096];
    const auto failed = [](const std::string &name, const char *what) {
        std::snprintf(identifier, sizeof identifier, "tomocut:%s", name.c_str());
        for (char *c = identifier; *c != '\0'; c++) {
            *c = *c == ' ' ? '_' : *c;
        }
        std::snprintf(text, sizeof text, "%s", what);
    };
    try {
        try {
            body();
            return;
        } catch (const tomocut::Cancelled &) {
            interrupted();
            throw;
        }
    } catch (const tomocut::Error &error) {
        failed(error.status_name(), error.what());
        if (error.status() == TOMOCUT_E_INTERNAL) {
            Session::forget();
        }
    } catch (const BadArgument &error) {
        failed("invalid_argument", error.what());
    } catch (const std::bad_alloc &) {
        failed("out_of_memory", "the results do not fit into memory");
#ifdef HAVE_OCTAVE
    } catch (const octave::interrupt_exception &) {
        throw;
#endif
    }
    mexErrMsgIdAndTxt(identifier, "%s", text);
}

}  // namespace mex

#endif
